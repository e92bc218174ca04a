//! The real program over real sockets.

#![allow(clippy::unwrap_used)]

mod common;

use common::fixtures::{network, report};
use common::{Experiment, Learner, Page, local, read};
use serde_json::{Value, json};
use tuning::Outcome;
use wire::agent::{Acknowledgement, PolicyUpdates, TrainerPage};
use wire::client::{acknowledge, trajectory_page};
use wire::exposition::{Limits, parse};
use wire::http::{Timeouts, client};
use wire::tls::{Authority, Role};

/// An experiment with a learner that has published version 1.
async fn with_policy(change: impl FnOnce(&mut wire::agent::AgentConfig)) -> (Experiment, Learner) {
    let mut experiment = Experiment::new(|config| {
        config.policy_wait_seconds = 30.0;
        change(config);
    });
    let learner = Learner::start(&experiment);
    learner.publish(&[(1, &network(&experiment.config.problem, 1, 0.1))]);
    experiment.config.learner.clone_from(&learner.address);
    (experiment, learner)
}

#[tokio::test]
async fn a_trajectory_is_steered_scraped_and_acknowledged_and_then_the_program_ends() {
    let (experiment, learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&["--attempt", "2"]).await;
    let url = format!("{}/v1/trajectory", agent.at.trainer_url);
    let info: Value = serde_json::from_str(&read(agent.trainer.get(url).send().await.unwrap()).await.1).unwrap();
    assert_eq!((&info["envSteps"], &info["nextStep"]), (&json!(3), &json!(0)));
    assert_eq!(info["hyperparameters"], json!({"learning_rate": 0.01, "momentum": 0.9}));
    for step in 0..=3 {
        let answer = agent.report(step).await;
        assert_eq!((&answer["done"], &answer["policyVersion"]), (&json!(step == 3), &json!(1)));
    }
    let page = trajectory_page(&agent.operator, &agent.at.address, 1, 1 << 20).await.unwrap();
    let scraped = parse(&page, &experiment.config.problem, &Limits::default()).unwrap();
    scraped.check(&experiment.config.problem).unwrap();
    assert_eq!(
        (scraped.key.attempt, json!(scraped.seed), scraped.outcome),
        (2, info["seed"].clone(), Some(Outcome::Completed))
    );
    assert_eq!(scraped.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(scraped.steps[0].decision.as_ref().unwrap().log_probabilities.len(), 2);
    let part = Acknowledgement { next_step: 4, ended: false };
    acknowledge(&agent.operator, &agent.at.address, &part).await.unwrap();
    agent.report(3).await;
    acknowledge(&agent.operator, &agent.at.address, &Acknowledgement { ended: true, ..part }).await.unwrap();
    assert_eq!(agent.ended().await.0, Some(0));
    assert!(learner.stored.lock().unwrap().is_empty(), "it left the gatherer's work to the gatherer");
}

#[tokio::test]
async fn metrics_that_are_not_reported_are_read_from_the_trainers_own_page() {
    let page = Page::serve("");
    let (experiment, _learner) = with_policy(|config| {
        let sample = r#"eval_score{split="valid"}"#.to_owned();
        config.page = Some(TrainerPage { path: "/numbers".into(), metrics: [("accuracy".into(), sample)].into() });
    })
    .await;
    let agent = experiment.start(&["--metrics-port", &page.port]).await;
    let mut step = report(0, 0.0);
    step.metrics.remove("accuracy");
    let bare = || serde_json::to_vec(&step).unwrap();
    let (status, text) = agent.post(bare()).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains(r#"it has no eval_score{split="valid"} for accuracy: it has none of that name"#), "{text}");
    page.show("eval_score{split=\"valid\",fold=\"1\"} 1\neval_score{split=\"valid\",fold=\"2\"} 2\n");
    let (_, text) = agent.post(bare()).await;
    assert!(text.contains("expected labels that only one of them has"), "{text}");
    page.show("# TYPE eval_score gauge\neval_score{split=\"train\"} 0.9\neval_score{split=\"valid\"} 2.5e-1\n");
    let first = agent.post(bare()).await;
    assert_eq!(first.0, 200, "{}", first.1);
    page.show("eval_score{split=\"valid\"} 0.5\n");
    assert_eq!(agent.post(bare()).await, first, "a repeated report is not measured anew");
    // What is reported all the same counts; what is not finite ends the trajectory.
    assert_eq!(agent.post(serde_json::to_vec(&report(1, 0.75)).unwrap()).await.0, 200);
    page.show("eval_score{split=\"valid\"} NaN\n");
    step.step = 2;
    let last: Value = serde_json::from_str(&agent.post(serde_json::to_vec(&step).unwrap()).await.1).unwrap();
    assert_eq!(last["done"], json!(true));
    let scraped = trajectory_page(&agent.operator, &agent.at.address, 0, 1 << 20).await.unwrap();
    let scraped = parse(&scraped, &experiment.config.problem, &Limits::default()).unwrap();
    assert_eq!(scraped.steps.iter().map(|step| step.metrics[1]).collect::<Vec<_>>(), [0.25, 0.75]);
    assert_eq!(scraped.outcome, Some(Outcome::Diverged));
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_told_of_at_the_start_or_with_the_report() {
    let sample = |text: &str| TrainerPage { path: "/metrics".into(), metrics: [("loss".into(), text.into())].into() };
    let experiment = Experiment::new(|config| config.page = Some(sample("rate(loss[5m])")));
    let fails = async |experiment: &Experiment, arguments: &[&str]| {
        let ended = experiment.command(arguments).output().await.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8(ended.stderr).unwrap()
    };
    let log = fails(&experiment, &["--metrics-port", "1"]).await;
    assert!(log.contains("rate(loss[5m])") && log.contains("expected labels"), "{log}");
    let experiment = Experiment::new(|config| config.page = Some(sample("loss")));
    assert!(fails(&experiment, &[]).await.contains("--metrics-port is missing"));
    let agent = experiment.start(&["--metrics-port", "1"]).await;
    let mut step = report(0, 0.1);
    step.metrics.remove("loss");
    let (status, text) = agent.post(serde_json::to_vec(&step).unwrap()).await;
    assert_eq!(status, 503);
    assert!(text.contains("the trainer's page http://127.0.0.1:1/metrics: no connection"), "{text}");
}

/// What the agent answers to `GET /v1/trajectory` with this query.
async fn trajectory(agent: &common::Agent, query: &str) -> (u16, Value) {
    let url = format!("{}/v1/trajectory{query}", agent.at.trainer_url);
    let (status, text) = read(agent.trainer.get(url).send().await.unwrap()).await;
    (status, serde_json::from_str(&text).unwrap_or(json!(text)))
}

async fn scraped(agent: &common::Agent, experiment: &Experiment) -> wire::learner::Steps {
    let page = trajectory_page(&agent.operator, &agent.at.address, 0, 1 << 20).await.unwrap();
    parse(&page, &experiment.config.problem, &Limits::default()).unwrap()
}

#[tokio::test]
async fn a_trainer_with_a_checkpoint_goes_on_where_an_earlier_attempt_was() {
    let (experiment, learner) = with_policy(|_| ()).await;
    let whole = experiment.start(&["--attempt", "0"]).await;
    let mut answers = Vec::new();
    for step in 0..=3 {
        answers.push(whole.report(step).await);
    }
    let before = scraped(&whole, &experiment).await;
    drop(whole);
    *learner.history.lock().unwrap() =
        wire::learner::History { steps: before.steps[..=1].to_vec(), elapsed_seconds: 90.0 };
    let agent = experiment.start(&["--attempt", "1"]).await;
    let (status, told) = trajectory(&agent, "?checkpoints=0,1").await;
    assert_eq!((status, &told["nextStep"], &told["hyperparameters"]), (200, &json!(2), &answers[1]["hyperparameters"]));
    let id = format!("{}-0-1-0", experiment.config.uid);
    assert_eq!(told["id"], json!(id));
    assert_eq!(trajectory(&agent, "?checkpoints=0,1").await.1, told, "it may be asked again");
    for step in 2..=3 {
        let answer = agent.report(step).await;
        assert_eq!(answer["hyperparameters"], answers[step as usize]["hyperparameters"], "the policy saw the same");
    }
    let after = scraped(&agent, &experiment).await;
    assert_eq!(after.steps[..=1], before.steps[..=1], "to the bit");
    assert!(after.steps[2].elapsed_seconds > 90.0, "the clock goes on: {}", after.steps[2].elapsed_seconds);
    assert_eq!((after.key.attempt, after.steps.len(), after.outcome), (1, 4, Some(Outcome::Completed)));
}

#[tokio::test]
async fn what_does_not_fit_is_not_carried_on_and_a_learner_out_of_reach_is_waited_for() {
    let (experiment, learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&[]).await;
    agent.report(0).await;
    let mut steps = scraped(&agent, &experiment).await.steps;
    steps[0].hyperparameters[0] *= 2.0;
    drop(agent);
    *learner.history.lock().unwrap() = wire::learner::History { steps, elapsed_seconds: 1.0 };
    let agent = experiment.start(&[]).await;
    assert_eq!(trajectory(&agent, "?checkpoints=0").await.1["nextStep"], json!(0), "values that do not follow");
    let (status, sentence) = trajectory(&agent, "?checkpoints=0,x").await;
    assert_eq!(
        (status, sentence),
        (422, json!("checkpoints: \"x\", expected env steps with commas between, such as 6,7\n"))
    );
    drop(agent);
    let mut away = experiment;
    away.config.learner = "127.0.0.1:1".to_owned();
    away.config.policy_wait_seconds = 0.0;
    let agent = away.start(&[]).await;
    let (status, sentence) = trajectory(&agent, "?checkpoints=0").await;
    assert!(status == 503 && sentence.as_str().unwrap().contains("can't be asked"), "{status} {sentence}");
    assert_eq!(trajectory(&agent, "?checkpoints=").await.1["nextStep"], json!(0), "there is nothing to go on from");
    agent.report(0).await;
    assert_eq!(trajectory(&agent, "?checkpoints=0").await.1["nextStep"], json!(1), "this attempt goes on itself");
}

#[tokio::test]
async fn an_end_that_is_only_claimed_does_not_end_the_program() {
    let (experiment, _learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&[]).await;
    acknowledge(&agent.operator, &agent.at.address, &Acknowledgement { next_step: 9, ended: true }).await.unwrap();
    for step in 0..=3 {
        agent.report(step).await;
        if step == 2 {
            agent.figure_becomes("trainpilot_agent_steps", "3").await;
        }
    }
}

#[tokio::test]
async fn a_trainer_that_errs_is_told_what_was_expected() {
    let (experiment, _learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&[]).await;
    let plain = |step| serde_json::to_string(&report(step, 0.2)).unwrap();
    let large = format!(r#"{{"step": 0, "diverged": "{}"}}"#, "x".repeat(10 << 20));
    for (body, status, text) in [
        (large, 413, "a report may have 65536 bytes at most"),
        ("step=0".to_owned(), 400, "the body is not JSON"),
        (r#"{"step": 0, "metrics": {"loss": "low"}}"#.to_owned(), 422, "metrics.loss: invalid type"),
        (r#"{"step": 0, "metrics": {"los": 1}}"#.to_owned(), 422, "unknown metric \"los\", expected loss, accuracy"),
        (r#"{"step": 0, "metrics": {"loss": 1}}"#.to_owned(), 422, "metric \"accuracy\" is missing"),
        (plain(1), 409, "got step 1, expected step 0"),
    ] {
        let (got, said) = agent.post(body).await;
        assert!(got == status && said.starts_with(text), "{got} {said}");
    }
    let first = agent.report(0).await;
    assert_eq!(agent.report(0).await, first, "the same report gets the same answer");
    let (status, said) = agent.post(plain(0).replace("0.2", "0.3")).await;
    assert!(status == 409 && said.starts_with("step 0 was already reported"), "{status} {said}");
    let (status, last) =
        agent.post(r#"{"step": 1, "metrics": {"loss": NaN, "accuracy": 0.1, "test_accuracy": 0}}"#).await;
    assert!(status == 200 && last.contains("\"done\":true"), "{last}");
    let (status, said) = agent.post(plain(2)).await;
    assert_eq!((status, said.as_str()), (409, "the trajectory ended with step 1; nothing more is expected\n"));
}

#[tokio::test]
async fn the_trainers_endpoint_lives_only_below_its_path() {
    let experiment = Experiment::new(|_| ());
    let agent = experiment.start(&[]).await;
    let (root, path) = agent.at.trainer_url.rsplit_once('/').unwrap();
    assert_eq!(path.len(), 32);
    for url in [format!("{root}/v1/trajectory"), format!("{root}/{}/v1/trajectory", "0".repeat(32))] {
        let (status, text) = read(agent.trainer.get(url).send().await.unwrap()).await;
        assert!(status == 404 && text.contains("$TRAINPILOT_URL/v1/steps"), "{status} {text}");
    }
    let chosen = experiment.start(&["--trainer-path", "/chosen"]).await;
    assert!(chosen.at.trainer_url.ends_with("/chosen"), "{}", chosen.at.trainer_url);
    let url = format!("{}/v1/trajectory", chosen.at.trainer_url);
    assert_eq!(chosen.trainer.get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_the_operator_may_scrape_and_acknowledge_and_anyone_of_ours_see_figures() {
    let experiment = Experiment::new(|_| ());
    let agent = experiment.start(&[]).await;
    let url = |path: &str| format!("https://{}{path}", agent.at.address);
    let body = json!({"nextStep": 0, "ended": false});
    for role in Role::ALL {
        let client = experiment.client(role);
        let expected = if role == Role::Operator { [200, 200, 204] } else { [200, 403, 403] };
        let figures = client.get(url("/metrics")).send().await.unwrap().status();
        let page = client.get(url("/metrics/trajectory?from=0")).send().await.unwrap().status();
        let acknowledged = client.post(url("/v1/acknowledge")).json(&body).send().await.unwrap().status();
        assert_eq!([figures, page, acknowledged].map(|status| status.as_u16()), expected, "{role:?}");
    }
}

#[tokio::test]
async fn strangers_get_no_connection() {
    let experiment = Experiment::new(|_| ());
    let agent = experiment.start(&[]).await;
    let stranger = Authority::new(&experiment.config.uid).unwrap().issue(Role::Operator).unwrap();
    let stranger = client(&stranger, Role::Agent, Timeouts::REQUEST).unwrap();
    assert!(stranger.get(format!("https://{}/metrics", agent.at.address)).send().await.is_err());
    let plain = agent.trainer.get(format!("http://{}/metrics", agent.at.address)).send().await;
    assert!(plain.is_err(), "{plain:?}");
    let no_learner = client(&experiment.identity(Role::Operator), Role::Learner, Timeouts::REQUEST).unwrap();
    let answer = no_learner.get(format!("https://{}/metrics", agent.at.address)).send().await;
    assert!(answer.is_err(), "an agent cannot pass for a learner");
}

#[tokio::test]
async fn figures_show_what_is_in_force_measured_kept_and_not_applied() {
    let experiment = Experiment::new(|_| ());
    let agent = experiment.start(&[]).await;
    let mut lying = report(0, 0.2);
    lying.hyperparameters.insert("momentum".to_owned(), 0.5);
    assert_eq!(agent.post(serde_json::to_vec(&lying).unwrap()).await.0, 200);
    let answer = agent.report(1).await;
    assert_eq!((&answer["keptBecause"], &answer["policyVersion"]), (&json!("no_policy"), &json!(0)));
    let text = agent.figures().await;
    for (name, label, value) in [
        ("steps", "", "2"),
        ("metric", "metric=\"accuracy\"", "0.2"),
        ("hyperparameter", "hyperparameter=\"learning_rate\"", "0.01"),
        ("applied_hyperparameter", "hyperparameter=\"momentum\"", "0.9"),
        ("mismatches_total", "hyperparameter=\"momentum\"", "1"),
        ("mismatches_total", "hyperparameter=\"learning_rate\"", "0"),
        ("keeps_total", "reason=\"no_policy\"", "2"),
        ("keeps_total", "reason=\"policy_fault\"", "0"),
        ("policy_version", "", "0"),
        ("decision_seconds_count", "experiment=\"fixture\"", "2"),
    ] {
        let start = format!("trainpilot_agent_{name}{{");
        let shown =
            |line: &&str| line.starts_with(&start) && line.contains(label) && line.ends_with(&format!(" {value}"));
        assert!(text.lines().any(|line| shown(&line)), "{name} {label} {value} in\n{text}");
    }
}

#[tokio::test]
async fn the_first_decision_waits_for_a_policy_and_survives_a_caller_that_goes_away() {
    let mut experiment = Experiment::new(|config| config.policy_wait_seconds = 30.0);
    let socket = local();
    experiment.config.learner = socket.local_addr().unwrap().to_string();
    let agent = experiment.start(&[]).await;
    let impatient = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(impatient, agent.report(0)).await.is_err(), "there is no policy yet");
    let publish = async {
        let learner = Learner::at(socket, &experiment);
        learner.publish(&[(1, &network(&experiment.config.problem, 1, 0.1))]);
        learner
    };
    let (answer, _learner) = tokio::join!(agent.report(0), publish);
    assert_eq!((&answer["policyVersion"], answer.get("keptBecause")), (&json!(1), None));
}

#[tokio::test]
async fn newer_policies_arrive_across_a_restart_of_the_learner_and_versions_never_go_down() {
    let (experiment, learner) = with_policy(|config| config.policy_updates = PolicyUpdates::Immediate).await;
    let agent = experiment.start(&[]).await;
    assert_eq!(agent.report(0).await["policyVersion"], 1);
    let artifact = network(&experiment.config.problem, 2, 0.1);
    let newest = "trainpilot_agent_newest_policy_version";
    learner.publish(&[(2, &artifact)]);
    agent.figure_becomes(newest, "2").await;
    assert_eq!(agent.report(1).await["policyVersion"], 2);
    let learner = learner.restart(&experiment).await;
    learner.publish(&[(1, &artifact), (3, &artifact[..100]), (4, &artifact), (2, &artifact)]);
    agent.figure_becomes(newest, "4").await;
    assert_eq!(agent.report(2).await["policyVersion"], 4);
}

#[tokio::test]
async fn when_told_to_stop_it_brings_the_rest_to_the_learner() {
    let (experiment, learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&["--grace-seconds", "3"]).await;
    for step in 0..=1 {
        agent.report(step).await;
    }
    acknowledge(&agent.operator, &agent.at.address, &Acknowledgement { next_step: 1, ended: false }).await.unwrap();
    agent.terminate().await;
    let (code, log) = agent.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let stored = learner.stored.lock().unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].steps.len(), stored[0].steps[0].step, stored[0].outcome), (1, 1, None));
}

#[tokio::test]
async fn when_told_to_stop_it_first_leaves_time_to_the_gatherer() {
    let (experiment, learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&["--grace-seconds", "60"]).await;
    for step in 0..=3 {
        agent.report(step).await;
    }
    agent.terminate().await;
    acknowledge(&agent.operator, &agent.at.address, &Acknowledgement { next_step: 4, ended: true }).await.unwrap();
    assert_eq!(agent.ended().await.0, Some(0));
    assert!(learner.stored.lock().unwrap().is_empty());
}

#[tokio::test]
async fn when_told_to_stop_with_everything_stored_it_ends_at_once() {
    let (experiment, _learner) = with_policy(|_| ()).await;
    let agent = experiment.start(&["--grace-seconds", "3600"]).await;
    agent.report(0).await;
    acknowledge(&agent.operator, &agent.at.address, &Acknowledgement { next_step: 1, ended: false }).await.unwrap();
    agent.terminate().await;
    assert_eq!(agent.ended().await.0, Some(0));
}

#[tokio::test]
async fn what_could_not_be_delivered_shows_in_the_exit_code() {
    let experiment = Experiment::new(|_| ());
    let agent = experiment.start(&["--grace-seconds", "2"]).await;
    agent.report(0).await;
    agent.terminate().await;
    let (code, log) = agent.ended().await;
    assert!(code == Some(1) && log.contains("stopped with 1 steps that nobody has stored"), "{code:?} {log}");
}

#[tokio::test]
async fn what_cannot_be_started_is_explained() {
    let taken = local();
    let address = taken.local_addr().unwrap().to_string();
    let sound = || Experiment::new(|_| ());
    for (experiment, arguments, expected) in [
        (sound(), vec!["--listen", &address], format!("could not listen at {address}")),
        (sound(), vec!["--trainer-path", "a/"], "--trainer-path is".to_owned()),
        (Experiment::new(|c| c.problem.multipliers.clear()), vec![], "multipliers must be".to_owned()),
        (Experiment::new(|c| c.policy_wait_seconds = -1.0), vec![], "policyWaitSeconds is -1, expected".to_owned()),
        (Experiment::new(|c| c.epoch = 0), vec![], "epoch is 0, expected 1 or more".to_owned()),
    ] {
        let output = experiment.command(&arguments).output().await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && log.contains(&expected), "{expected}: {log}");
    }
    let mut foreign = sound();
    foreign.config.uid = "another".to_owned();
    let output = foreign.command(&[]).output().await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("identity is agent.fixture-uid, expected agent.another"), "{log}");
}
