//! The program as somebody calls it who has no agent.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

const TASKS: &str = env!("CARGO_BIN_EXE_trainpilot-tasks");

fn digits(arguments: &[&str]) -> Command {
    let mut command = Command::new(TASKS);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../third_party/data");
    command.args(arguments).env_remove("TRAINPILOT_URL").env("TRAINPILOT_DATA", data);
    command
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn digits_alone_print_all_metrics_for_every_env_step_and_follow_the_schedule() {
    let lines = stdout(&mut digits(&["digits", "--env-steps", "4", "--schedule", "linear", "--seed", "3"]));
    let reports: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rates: Vec<f64> =
        reports.iter().map(|report| report["hyperparameters"]["learning_rate"].as_f64().unwrap()).collect();
    assert_eq!(rates, [0.01, 0.01, 0.0075, 0.005, 0.0025]);
    for report in &reports {
        for split in ["training", "validation", "test"] {
            assert!((0.0..=1.0).contains(&report["metrics"][format!("{split}_accuracy")].as_f64().unwrap()));
            assert!(report["metrics"][format!("{split}_loss")].as_f64().unwrap() > 0.0);
        }
        assert_eq!(report["metrics"].as_object().unwrap().len(), 6);
    }
}

#[test]
fn the_data_of_the_clone_is_found_from_any_folder() {
    // What is built need not be below this clone, so it is put below something that looks like one.
    let (clone, elsewhere) = (tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), tempfile::tempdir().unwrap());
    let built = clone.path().join("target/debug");
    fs::create_dir_all(&built).unwrap();
    fs::hard_link(TASKS, built.join("tasks")).unwrap();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../third_party");
    symlink(data, clone.path().join("third_party")).unwrap();
    let mut command = Command::new(built.join("tasks"));
    command.args(["digits", "--env-steps", "1"]).env_remove("TRAINPILOT_URL").env_remove("TRAINPILOT_DATA");
    command.current_dir(elsewhere.path());
    assert_eq!(stdout(&mut command).lines().count(), 2);
}

#[test]
fn the_environment_says_what_to_train_as_flags_do() {
    let small = ["digits", "--env-steps", "2"];
    let plain = stdout(&mut digits(&small));
    assert_eq!(plain, stdout(&mut digits(&small)), "the same seed gives the same bits in another process");
    let by_flag = ["--noise", "0.1", "--steps-per-env-step", "5", "--batch-size", "16", "--width", "32"];
    let by_flag =
        stdout(&mut digits(&[&small[..], &by_flag, &["--training-size", "200", "--data-seed", "4"]].concat()));
    let mut by_environment = digits(&small);
    by_environment.env("DIGITS_NOISE", "0.1").env("DIGITS_STEPS_PER_ENV_STEP", "5").env("DIGITS_BATCH_SIZE", "16");
    by_environment.env("DIGITS_WIDTH", "32").env("DIGITS_TRAINING_SIZE", "200").env("DIGITS_DATA_SEED", "4");
    assert_eq!(by_flag, stdout(&mut by_environment));
    assert_ne!(by_flag, plain);
}

#[test]
fn the_sweep_prints_each_point_and_the_one_tuned_on_validation_with_its_price() {
    let table =
        stdout(&mut digits(&["digits-sweep", "--seeds", "2", "--env-steps", "3", "--learning-rates", "1e-5,1e-2"]));
    for schedule in ["constant", "linear", "cosine"] {
        assert_eq!(table.lines().filter(|line| line.starts_with(schedule)).count(), 2, "{table}");
    }
    let tuned: Vec<&str> = table.lines().filter(|line| line.contains("tuned")).collect();
    assert!(tuned.len() == 3 && tuned.iter().all(|line| line.contains("0.01")), "{table}");
    assert_eq!(table.matches("for 4 full trainings").count(), 3, "{table}");
}

#[test]
fn a_flag_that_is_out_of_bounds_is_named_with_what_was_expected() {
    for (flag, value, sentence) in [
        ("--noise", "1.5", "expected a number from 0 to 1"),
        ("--batch-size", "0", "0 is not in 1.."),
        ("--training-size", "1001", "training size is 1001, expected 1 to 1000"),
    ] {
        let output = digits(&["digits", flag, value]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(sentence), "{stderr}");
    }
}

#[test]
fn the_best_schedule_of_the_curves_is_printed_with_its_score() {
    let lines = stdout(&mut digits(&["curves-best", "--env-steps", "3"]));
    assert_eq!(lines.lines().count(), 4);
    // Of a start 10 away: 100 / 101, then 1 / (1 + 1) and 1 / (1 + 2), but for the 1 % that the first step leaves.
    assert!(lines.starts_with("env step   0  learning rate 0.9901\nenv step   1  learning rate 0.4975\n"), "{lines}");
}

/// Its lines; it is killed once it has printed `lines` of them.
fn killed_after(lines: usize, command: &mut Command) -> Vec<String> {
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let printed = std::io::BufReader::new(child.stdout.take().unwrap());
    let printed = std::io::BufRead::lines(printed).take(lines).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    printed
}

#[test]
fn trainings_that_are_killed_go_on_as_if_nothing_had_happened() {
    for task in ["digits", "curves"] {
        let folder = tempfile::tempdir().unwrap();
        let command = |checkpoints: bool| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_trainpilot-tasks"));
            command
                .args([task, "--env-steps", "40", "--schedule", "linear", "--seed", "3"])
                .env_remove("TRAINPILOT_URL");
            if checkpoints {
                command.arg("--checkpoints").arg(folder.path());
            }
            command
        };
        let whole = killed_after(99, &mut command(false));
        assert_eq!(whole.len(), 41);
        let mut lines = killed_after(9, &mut command(true));
        let rest = killed_after(99, &mut command(true));
        // What was trained after the last line read is trained, and printed, by either of the two.
        lines.truncate(41 - rest.len());
        lines.extend(rest);
        assert!(lines.len() == 41 && lines == whole, "{task}: {lines:#?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "checkpoints of a training that ended");
    }
}
