//! What `report` says and draws.

use std::fs;

use serde_json::Value;

use crate::support::{Runs, Sample, rounded};

fn json(runs: &Runs, sample: &Sample) -> Value {
    runs.make(sample);
    serde_json::from_str(&runs.succeed(&["report", "--json", sample.name])).unwrap()
}

fn page(runs: &Runs, sample: &Sample) -> String {
    let folder = runs.make(sample);
    let path = runs.succeed(&["report", sample.name]);
    assert_eq!(path, format!("{}/report.html\n", sample.name));
    let html = fs::read_to_string(folder.join("report.html")).unwrap();
    assert_well_formed(&html);
    html
}

/// Every element is closed in its order, nothing comes from elsewhere, and there is no number that is none.
fn assert_well_formed(html: &str) {
    let markup = html.split("<script>").next().unwrap().split_once("</style>").unwrap().1;
    let mut open = vec!["html", "head"];
    let mut rest = markup;
    while let Some((_, tag)) = rest.split_once('<') {
        let (inside, after) = tag.split_once('>').unwrap();
        rest = after;
        let name = inside.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        if inside.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed before {}", &after[..after.len().min(60)]);
        } else if !inside.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, ["html", "body"], "still open before the script");
    for foreign in ["src=", "href=", "url(", "@import", "NaN", "inf"] {
        assert!(!markup.contains(foreign), "{foreign}");
    }
}

#[test]
fn the_schedules_are_drawn_into_a_file_of_their_own() {
    let (runs, sample) = (Runs::new(), Sample::default());
    let folder = runs.make(&sample);
    assert_eq!(runs.succeed(&["report", "--schedules", "schedules.svg", sample.name]), "");
    let svg = fs::read_to_string(folder.parent().unwrap().join("schedules.svg")).unwrap();
    for name in ["learning rate", "1 − momentum"] {
        assert_eq!(svg.matches(name).count(), 1, "{name}");
    }
    assert_eq!((svg.matches("<svg").count(), svg.matches("</svg>").count(), svg.matches("NaN").count()), (3, 3, 0));
    assert!(!folder.join("report.html").exists(), "no page was asked for");
}

#[test]
fn the_figures_of_a_run_have_the_promised_shape() {
    let sample = Sample { repetitions: 2, ..Sample::default() };
    insta::assert_json_snapshot!(rounded(json(&Runs::new(), &sample)));
}

#[test]
fn the_price_counts_lost_attempts_and_leaves_out_the_final_evaluation() {
    let report = json(&Runs::new(), &Sample { repetitions: 2, ..Sample::default() });
    // 4 epochs of 6 trajectories, and 4 of 10 env steps of an attempt that was lost.
    assert_eq!(report["fte"], 24.4);
    assert_eq!(report["repetitions"][1]["fte"], 24.4);
    assert_eq!(report["repetitions"][0]["epochs"][0]["fte"], 6.4);
    assert_eq!(report["repetitions"][0]["epochs"][0]["trajectories"], 6);
    assert_eq!(report["cost"]["fteLearning"], 48.8);
    assert_eq!(report["cost"]["fteFinalEvaluation"], 24.0);
    assert_eq!(report["cost"]["lostAttempts"], 2);
}

#[test]
fn a_diverged_trajectory_counts_with_the_worst_objective_on_every_split_and_a_lost_one_not_at_all() {
    let sample = Sample { diverged: &[0, 1, 2], lost: &[3], ..Sample::default() };
    let (with, without) = (json(&Runs::new(), &sample), json(&Runs::new(), &Sample::default()));
    let evaluation = &with["finalEvaluation"];
    assert_eq!((evaluation["diverged"].as_u64(), evaluation["lost"].as_u64()), (Some(3), Some(1)));
    for metric in ["validation_accuracy", "test_accuracy"] {
        let mean = |report: &Value| report["finalEvaluation"]["metrics"][metric]["mean"].as_f64().unwrap();
        let expected = mean(&without) * 8.0 / 11.0;
        assert!((mean(&with) - expected).abs() < 0.01, "{metric}: {} is not about {expected}", mean(&with));
    }
}

#[test]
fn an_unfinished_run_has_no_final_evaluation() {
    let report = json(&Runs::new(), &Sample { epochs: 2, finished: false, ..Sample::default() });
    assert_eq!(report["finalEvaluation"], Value::Null);
    assert_eq!(report["repetitions"][0]["epochs"].as_array().unwrap().len(), 2);
}

#[test]
fn the_page_shows_pictures_tables_and_every_attempt() {
    let html = page(&Runs::new(), &Sample { repetitions: 2, diverged: &[0], lost: &[1], ..Sample::default() });
    for heading in
        ["Final evaluation", "Objective against price", "Chosen schedules", "Metrics", "Learning", "What it cost"]
    {
        assert!(html.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    assert!(html.contains("1 − momentum") && html.contains("policy loss") && html.contains("All 2 repetitions"));
    // 2 × (4 × 6 + one replaced) to learn from, 2 × 12 evaluated.
    assert_eq!(html.matches("<tr><td>0</td>").count() + html.matches("<tr><td>1</td>").count(), 74);
}

#[test]
fn a_page_can_be_made_of_an_unfinished_run_one_that_learns_nothing_and_one_that_has_only_begun() {
    let unfinished = page(&Runs::new(), &Sample { epochs: 1, finished: false, ..Sample::default() });
    assert!(unfinished.contains("Unfinished: 1 of 4 epochs"));
    let fixed = Sample { algorithm: "{fixed: {schedule: {linear: {to: 0}}}}", epochs: 0, ..Sample::default() };
    let fixed = page(&Runs::new(), &fixed);
    assert!(!fixed.contains("Objective against price") && fixed.contains("Chosen schedules"));
    let begun = page(&Runs::new(), &Sample { epochs: 0, finished: false, ..Sample::default() });
    assert!(begun.contains("It has not been gathered yet."));
}

#[test]
fn tasks_are_reported_one_by_one() {
    let tasks = "[{name: narrow, env: {WIDTH: '2'}}, {name: wide, weight: 2, env: {WIDTH: '9'}}]";
    let runs = Runs::new();
    let sample = Sample { tasks, ..Sample::default() };
    let report = json(&runs, &sample);
    let of_task = |task: &str| report["finalEvaluation"]["tasks"][task]["trajectories"].as_u64().unwrap();
    assert!(of_task("narrow") > 0 && of_task("wide") > 0 && of_task("narrow") + of_task("wide") == 12);
    let html = page(&runs, &sample);
    assert!(html.contains("<h3>Task narrow</h3>") && html.contains("<button>task</button>"));
}

#[test]
fn what_is_no_run_is_refused() {
    let runs = Runs::new();
    fs::create_dir(runs.path("empty")).unwrap();
    let (code, said) = runs.fail(&["report", "empty"]);
    assert_eq!((code, said.as_str()), (2, "error: empty is not the folder of a run: it has no experiment.yaml\n"));
}

#[test]
fn a_damaged_file_of_a_run_is_named() {
    let runs = Runs::new();
    let folder = runs.make(&Sample::default());
    fs::write(folder.join("repetition-0/learned/epoch-000002.json"), "{").unwrap();
    let (code, said) = runs.fail(&["report", "sample"]);
    assert!(code == 1 && said.contains("learned/epoch-000002.json is damaged"), "{said}");
    let segment = folder.join("repetition-0/segments/epoch-000001.parquet");
    fs::write(&segment, &fs::read(&segment).unwrap()[..500]).unwrap();
    let (code, said) = runs.fail(&["report", "sample"]);
    assert!(code == 1 && said.contains("epoch-000001.parquet"), "{said}");
}
