//! Prints the definition of `TuningExperiment` as it stands in `crds/`.

fn main() {
    print!("{}", api::crd_yaml());
}
