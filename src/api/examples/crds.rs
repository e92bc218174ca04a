//! Prints the definition of a kind as it is committed in `crds/`.

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("TuningPolicy") => print!("{}", api::policy_crd_yaml()),
        _ => print!("{}", api::crd_yaml()),
    }
}
