//! What `compare` puts into one table, and what it refuses to.

use std::fs;

use serde_json::Value;

use crate::support::{Runs, Sample, rounded};

const LINEAR: Sample = Sample {
    name: "linear",
    algorithm: "{fixed: {schedule: {linear: {to: 0}}}}",
    tasks: "[]",
    arguments: "[--noise, '0.3']",
    seed: 1,
    repetitions: 1,
    epochs: 0,
    trajectories: 0,
    finished: true,
    skill: 0.4,
    diverged: &[],
    lost: &[],
};

fn ppo() -> Sample {
    Sample { name: "ppo", repetitions: 2, ..Sample::default() }
}

#[test]
fn rows_have_the_promised_shape() {
    let runs = Runs::new();
    runs.make(&LINEAR);
    runs.make(&ppo());
    let compared: Value = serde_json::from_str(&runs.succeed(&["compare", "linear", "ppo", "--json"])).unwrap();
    insta::assert_json_snapshot!(rounded(compared));
}

#[test]
fn the_table_has_the_objective_the_test_split_and_the_price() {
    let runs = Runs::new();
    runs.make(&LINEAR);
    runs.make(&ppo());
    insta::assert_snapshot!(runs.succeed(&["compare", "linear", "ppo"]));
}

#[test]
fn csv_and_picture_are_written_beside_the_table() {
    let runs = Runs::new();
    runs.make(&LINEAR);
    runs.make(&ppo());
    runs.succeed(&["compare", "linear", "ppo", "--csv", "table.csv", "--picture", "table.svg"]);
    let csv = fs::read_to_string(runs.path("table.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{csv}");
    assert_eq!((lines[0][0], lines[1][0], lines[2][0], lines[2][4]), ("name", "linear", "ppo", "24.4"));
    let svg = fs::read_to_string(runs.path("table.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("validation accuracy") && svg.contains("test accuracy"));
    assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
}

#[test]
fn better_trainings_win_nearly_every_pair() {
    let runs = Runs::new();
    runs.make(&LINEAR);
    runs.make(&ppo());
    let compared: Value = serde_json::from_str(&runs.succeed(&["compare", "linear", "ppo", "--json"])).unwrap();
    assert_eq!(compared["rows"][0]["probabilityOfImprovement"], Value::Null);
    assert!(compared["rows"][1]["probabilityOfImprovement"].as_f64().unwrap() > 0.9);
}

#[test]
fn runs_of_other_seeds_are_compared_but_not_in_pairs() {
    let runs = Runs::new();
    runs.make(&LINEAR);
    runs.make(&Sample { seed: 2, ..ppo() });
    let table = runs.succeed(&["compare", "linear", "ppo"]);
    assert!(table.contains("can't be compared in pairs (their seeds are 1 and 2)"), "{table}");
}

#[test]
fn tasks_get_rows_of_their_own() {
    let runs = Runs::new();
    let tasks = "[{name: narrow, env: {WIDTH: '2'}}, {name: wide, env: {WIDTH: '9'}}]";
    runs.make(&Sample { tasks, ..LINEAR });
    runs.make(&Sample { tasks, ..ppo() });
    let table = runs.succeed(&["compare", "linear", "ppo"]);
    assert_eq!((table.matches("  narrow").count(), table.matches("  wide").count()), (2, 2), "{table}");
}

fn refusal(other: Sample) -> String {
    let runs = Runs::new();
    runs.make(&LINEAR);
    runs.make(&Sample { name: "other", ..other });
    let (code, said) = runs.fail(&["compare", "linear", "other"]);
    assert_eq!(code, 2);
    said
}

#[test]
fn runs_on_another_task_are_refused_and_the_difference_is_named() {
    let said = refusal(Sample { arguments: "[--noise, '0.5']", ..ppo() });
    let expected = "error: linear and other are not runs on the same task: the trainer's args is \
                    [\"--noise\",\"0.3\"] and [\"--noise\",\"0.5\"]\n";
    assert_eq!(said, expected);
    let said = refusal(Sample { tasks: "[{name: wide, env: {WIDTH: '9'}}]", ..ppo() });
    assert!(said.contains("the tasks of the final evaluation is [] and [[\"wide\""), "{said}");
}

#[test]
fn a_run_without_its_final_evaluation_is_refused() {
    let said = refusal(Sample { finished: false, ..ppo() });
    assert_eq!(said, "error: other has no final evaluation yet: let `trainpilot run` finish it first\n");
}

#[test]
fn two_runs_of_one_experiment_are_named_by_their_folders() {
    let runs = Runs::new();
    fs::rename(runs.make(&LINEAR), runs.path("earlier")).unwrap();
    runs.make(&LINEAR);
    let compared: Value = serde_json::from_str(&runs.succeed(&["compare", "linear", "earlier", "--json"])).unwrap();
    assert_eq!(
        (compared["rows"][0]["name"].as_str(), compared["rows"][1]["name"].as_str()),
        (Some("linear"), Some("earlier"))
    );
    assert_eq!(compared["rows"][1]["probabilityOfImprovement"], 0.5);
}
