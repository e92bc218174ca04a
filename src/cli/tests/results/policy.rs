//! Policies as files, completions and help.

use std::fs;

use crate::support::{Runs, Sample};

#[test]
fn the_latest_policy_is_exported_and_can_be_looked_at() {
    let runs = Runs::new();
    runs.make(&Sample { repetitions: 2, ..Sample::default() });
    let said = runs.succeed(&["policy", "export", "sample", "tuned.safetensors", "--repetition", "1"]);
    assert_eq!(said, "tuned.safetensors: version 5 of repetition 1, after 4 epochs\n");
    insta::assert_snapshot!(runs.succeed(&["policy", "show", "tuned.safetensors"]));
    let header: serde_json::Value =
        serde_json::from_str(&runs.succeed(&["policy", "show", "tuned.safetensors", "--json"])).unwrap();
    assert_eq!(header["version"], 5);
}

#[test]
fn what_is_no_policy_is_refused() {
    let runs = Runs::new();
    runs.make(&Sample::default());
    let (code, said) = runs.fail(&["policy", "export", "sample", "out", "--repetition", "7"]);
    assert!(code == 2 && said.contains("sample/repetition-7/policies has no policy"), "{said}");
    let (code, said) = runs.fail(&["policy", "show", "sample/experiment.yaml"]);
    assert!(code == 2 && said.contains("sample/experiment.yaml is not a policy"), "{said}");
    let (code, said) = runs.fail(&["policy", "show", "absent"]);
    assert!(code == 2 && said.contains("can't read absent"), "{said}");
}

#[test]
fn a_truncated_policy_is_not_exported() {
    let runs = Runs::new();
    let latest = runs.make(&Sample::default()).join("repetition-0/policies/policy-000005.safetensors");
    let bytes = fs::read(&latest).unwrap();
    fs::write(&latest, &bytes[..bytes.len() / 2]).unwrap();
    let (code, said) = runs.fail(&["policy", "export", "sample", "out"]);
    assert!(code == 2 && said.contains("policy-000005.safetensors is not a policy"), "{said}");
    assert!(!runs.path("out").exists());
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(Runs::new().succeed(&["completions", shell]).contains("trainpilot"), "{shell}");
    }
}

#[test]
fn bad_arguments_exit_with_2_and_help_names_every_command() {
    let runs = Runs::new();
    assert_eq!(runs.fail(&["compare"]).0, 2);
    let help = runs.succeed(&["--help"]);
    for command in ["report", "compare", "policy", "completions", "Exit codes"] {
        assert!(help.contains(command), "{command}");
    }
}
