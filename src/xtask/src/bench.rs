//! `cargo xtask bench`: what the project measures of itself.

use std::path::Path;

use clap::{Args, builder::PossibleValue};

use crate::{
    CLUSTER_TESTS,
    check::report,
    cluster,
    command::{cargo, run, step},
    e2e,
    programs::Trainpilot,
    setup,
};

/// A benchmark target of a package, and what it measures.
struct Measured {
    name: &'static str,
    package: &'static str,
    what: &'static str,
}

const BENCHES: &[Measured] = &[
    Measured {
        name: "decision",
        package: "trainpilot-agent",
        what: "what a decision costs early and late in a trajectory",
    },
    Measured {
        name: "loopback",
        package: "trainpilot-agent",
        what: "the agent's start, its memory, and the time of an answer as a trainer sees it",
    },
    Measured {
        name: "rows",
        package: "trainpilot-dataset",
        what: "rows committed and read per second, beside pyarrow",
    },
    Measured {
        name: "ppo",
        package: "trainpilot-learn",
        what: "env steps learned per second, beside PyTorch if PEER_PYTHON (or else python3) has it",
    },
    Measured {
        name: "world",
        package: "trainpilot-learn",
        what: "what a world model simulates and learns per second, beside PyTorch if PEER_PYTHON (or else python3) has it",
    },
    Measured {
        name: "scale",
        package: "trainpilot-learner",
        what: "memory of both learners, and the time to load them, at the talk's scale",
    },
    Measured {
        name: "cluster",
        package: CLUSTER_TESTS,
        what: "what the operator costs on a real node, and beside it with 10,000 pretended pods (as root)",
    },
    Measured {
        name: "throughput",
        package: "trainpilot-gather",
        what: "samples gathered per second, beside Prometheus if it is installed",
    },
    Measured {
        name: "steering",
        package: "trainpilot-tests-runs",
        what: "what steering costs a training, beside the same training alone",
    },
    Measured {
        name: "steps",
        package: "trainpilot-torch-tasks",
        what: "what a training step of the larger tasks takes, beside PyTorch if PEER_PYTHON (or else python3) has it",
    },
];

/// What learners are told about memory (`ENVIRONMENT` in `wire`); a peer is told the same.
const KEEP_MEMORY: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "1000000000")];

#[derive(Args)]
pub struct Bench {
    /// Run only these
    #[arg(value_parser = names())]
    names: Vec<String>,
}

fn names() -> Vec<PossibleValue> {
    BENCHES.iter().map(|bench| PossibleValue::new(bench.name).help(bench.what)).collect()
}

impl Bench {
    /// Runs each one that is wanted, also after one has failed.
    pub fn run(&self, root: &Path) -> anyhow::Result<()> {
        setup::for_tests(root)?;
        if self.wants("steering") {
            Trainpilot::build(root, &[])?;
        }
        let wanted = BENCHES.iter().filter(|bench| self.wants(bench.name));
        let outcomes = wanted.map(|Measured { name, package, what }| {
            step(&format!("{name}: {what}"));
            let mut bench = cargo(root);
            // Of the whole workspace, whose libraries are built already: alone it would have others.
            bench.envs(KEEP_MEMORY).args(["bench", "--workspace", "--bench", name]);
            let outcome = match *package {
                CLUSTER_TESTS => e2e::in_cluster(root, "release", false, |node, environment| {
                    cluster::pretend(root, node)?;
                    run(bench.envs(environment))
                }),
                _ => run(&mut bench),
            };
            (*name, outcome)
        });
        report(&outcomes.collect::<Vec<_>>())
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::command::{output, root};

    #[test]
    fn every_benchmark_of_the_workspace_is_listed_and_no_other() {
        let metadata = output(cargo(root()).args(["metadata", "--no-deps", "--format-version", "1"])).unwrap();
        let metadata: Value = serde_json::from_slice(&metadata).unwrap();
        let mut found = BTreeSet::new();
        for package in metadata["packages"].as_array().unwrap() {
            for target in package["targets"].as_array().unwrap() {
                if target["kind"][0] == "bench" {
                    found.insert((package["name"].as_str().unwrap(), target["name"].as_str().unwrap()));
                }
            }
        }
        assert_eq!(BENCHES.iter().map(|bench| (bench.package, bench.name)).collect::<BTreeSet<_>>(), found);
    }

    #[test]
    fn without_a_name_all_are_run() {
        assert!(BENCHES.iter().all(|bench| Bench { names: Vec::new() }.wants(bench.name)));
        let one = Bench { names: vec!["rows".to_owned()] };
        assert_eq!(BENCHES.iter().filter(|bench| one.wants(bench.name)).count(), 1);
    }
}
