//! Prints the table of the operator's figures: see `cargo xtask generate`.

use operator::figures::{Described, Figures};

fn main() -> Result<(), prometheus::Error> {
    println!(
        "<!-- Generated from src/operator by `cargo xtask generate`; do not edit. -->\n# Metrics of the operator\n"
    );
    println!(
        "At `/metrics` of port 8080, or 8443 where they are to be secure, for Prometheus. Agents (8091) and learners (8092) show \
         their own, under mutual TLS; those of learners are handed on here, as `trainpilot_learner_…` and \
         `trainpilot_world_model_…`, with the labels namespace, experiment and repetition.\n"
    );
    println!("| name | labels | what it says |\n|---|---|---|");
    for Described { name, labels, help } in Figures::new()?.described() {
        println!("| `{name}` | {} | {help} |", labels.join(", "));
    }
    Ok(())
}
