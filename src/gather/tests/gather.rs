//! Gathering from real agents' servers into a real learner's server, over mutual TLS.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::Duration;

use axum::body::Bytes;
use gather::{GatherConfig, GatherError, Gatherer, Progress};
use support::{Agent, Answer, Learner, World, key, problem, trajectory};
use tokio::net::TcpListener;
use tuning::{Outcome, Random};
use wire::agent::Acknowledgement;
use wire::http::Timeouts;
use wire::tls::{Authority, Role};

fn impatient(config: &mut GatherConfig) {
    config.timeouts = Timeouts { total: Some(Duration::from_secs(1)), ..config.timeouts };
}

#[tokio::test]
async fn a_trajectory_reaches_the_learner_as_it_grows_and_its_agent_hears_how_far() {
    let world = World::new(|_| ()).await;
    let agent = world.agent(trajectory(key(0), 0), Answer::Page).await;
    let gather = async || world.gatherer.gather(&agent.target(0)).await.unwrap();
    assert_eq!(gather().await, Progress::default());
    agent.grow(0, 3);
    let progress = gather().await;
    assert_eq!((progress.next_step, progress.ended, progress.objective), (3, false, Some(2.0 / 30.0)));
    assert_eq!(gather().await, progress, "nothing is new");
    agent.grow(0, 21);
    let progress = gather().await;
    assert_eq!((progress.next_step, progress.ended, progress.acknowledged), (21, true, true));
    assert_eq!((progress.outcome, progress.objective), (Some(Outcome::Completed), Some(20.0 / 30.0)));
    assert_eq!(world.learner.stored(0), Some(trajectory(key(0), 21)));
    let told = [(3, false), (21, true)].map(|(next_step, ended)| Acknowledgement { next_step, ended });
    assert_eq!(agent.told(), told);
    let counters = world.gatherer.counters();
    assert_eq!((counters.scrapes, counters.steps, counters.failures.len()), (4, 21, 0));
    assert_eq!(gather().await, progress);
    assert_eq!(agent.state.lock().unwrap().scrapes, 4, "an agent that may exit is not asked again");
}

#[tokio::test]
async fn a_new_gatherer_goes_on_where_the_learner_stands() {
    let world = World::new(|_| ()).await;
    let agent = world.agent(trajectory(key(0), 9), Answer::Page).await;
    world.gatherer.gather(&agent.target(0)).await.unwrap();
    let config = GatherConfig::new(world.authority.issue(Role::Operator).unwrap(), problem());
    let second = Gatherer::new(config).unwrap();
    second.set_learner(0, world.learner.address.clone());
    agent.grow(0, 4);
    assert_eq!(second.gather(&agent.target(0)).await.unwrap().next_step, 9, "the learner knows better than the page");
    agent.grow(0, 21);
    assert!(second.gather(&agent.target(0)).await.unwrap().acknowledged);
    assert_eq!(world.learner.stored(0), Some(trajectory(key(0), 21)));
}

#[tokio::test]
async fn a_learner_that_went_away_gets_everything_when_it_is_back() {
    let world = World::new(|_| ()).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    world.gatherer.set_learner(0, free.to_string());
    let agent = world.agent(trajectory(key(0), 5), Answer::Page).await;
    let error = world.gatherer.gather(&agent.target(0)).await.unwrap_err();
    assert!(matches!(error, GatherError::Deliver(_)), "{error:?}");
    assert_eq!((error.cause(), agent.told()), ("learner", vec![]));
    world.gatherer.set_learner(0, world.learner.address.clone());
    assert_eq!(world.gatherer.gather(&agent.target(0)).await.unwrap().next_step, 5);
    // A learner with an empty store asks for everything again.
    let empty = Learner::start(&world.authority.issue(Role::Learner).unwrap()).await;
    world.gatherer.set_learner(0, empty.address.clone());
    agent.grow(0, 7);
    assert_eq!(world.gatherer.gather(&agent.target(0)).await.unwrap().next_step, 0);
    assert_eq!(world.gatherer.gather(&agent.target(0)).await.unwrap().next_step, 7);
    assert_eq!(empty.stored(0), Some(trajectory(key(0), 7)));
    assert_eq!(world.gatherer.counters().failures, [("learner", 1)].into());
}

#[tokio::test]
async fn without_a_learner_nothing_is_taken_from_the_agent() {
    let world = World::new(|_| ()).await;
    let other = tuning::TrajectoryKey { repetition: 3, ..key(0) };
    let agent = world.agent(trajectory(other, 5), Answer::Page).await;
    let target = gather::Target { key: other, ..agent.target(0) };
    let error = world.gatherer.gather(&target).await.unwrap_err();
    assert!(matches!(error, GatherError::NoLearner { repetition: 3 }));
    assert_eq!(agent.told(), []);
}

#[tokio::test]
async fn an_agent_that_cannot_be_told_is_told_later_and_not_scraped_for_it() {
    let world = World::new(|_| ()).await;
    let agent = world.agent(trajectory(key(0), 21), Answer::Page).await;
    agent.state.lock().unwrap().deaf = 1;
    let progress = world.gatherer.gather(&agent.target(0)).await.unwrap();
    assert_eq!((progress.ended, progress.acknowledged), (true, false));
    let progress = world.gatherer.gather(&agent.target(0)).await.unwrap();
    assert_eq!((progress.ended, progress.acknowledged), (true, true));
    assert_eq!(agent.state.lock().unwrap().scrapes, 1);
    assert_eq!(world.gatherer.counters().failures, [("acknowledge", 1)].into());
}

#[tokio::test]
async fn whatever_fails_on_the_way_the_learner_gets_each_step_once() {
    for seed in 0..20 {
        let world = World::new(|_| ()).await;
        let agent = world.agent(trajectory(key(0), 0), Answer::Page).await;
        let mut random = Random::stream(seed, &[]);
        let mut grown = 0;
        loop {
            grown = 21.min(grown + random.below(4) as u32);
            agent.grow(0, grown);
            match random.below(5) {
                0 => world.learner.state.lock().unwrap().failing = 1,
                1 => world.learner.state.lock().unwrap().forgetful = 1,
                2 => agent.state.lock().unwrap().deaf = 1,
                3 => world.gatherer.retain(|_| false),
                _ => (),
            }
            if world.gatherer.gather(&agent.target(0)).await.is_ok_and(|progress| progress.acknowledged) {
                break;
            }
        }
        assert_eq!(world.learner.stored(0), Some(trajectory(key(0), 21)), "seed {seed}");
        assert!(agent.told().last().unwrap().ended);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new(|_| ()).await;
    let other = world.agent(trajectory(key(0), 3), Answer::Page).await;
    let url = format!("https://{}/metrics/trajectory?from=0", other.address);
    let (cause, _) = world.refusal(trajectory(key(0), 3), Answer::Redirect(url)).await;
    assert_eq!((cause, other.state.lock().unwrap().scrapes), ("status", 0));
}

#[tokio::test]
async fn a_page_that_is_too_long_is_refused_however_it_is_sent() {
    let world = World::new(|_| ()).await;
    let megabyte = Bytes::from(b"# nothing of worth\n".repeat(55_189));
    let ten = Bytes::from(megabyte.repeat(10));
    assert_eq!(world.refusal(trajectory(key(0), 3), Answer::Bytes(ten)).await.0, "size");
    assert_eq!(world.refusal(trajectory(key(0), 3), Answer::Endless(megabyte)).await.0, "size");
    assert_eq!(world.gatherer.counters().bytes, 0);
}

#[tokio::test]
async fn a_page_that_never_comes_to_its_end_is_given_up() {
    let world = World::new(impatient).await;
    assert_eq!(world.refusal(trajectory(key(0), 3), Answer::Hang).await.0, "timeout");
}

#[tokio::test]
async fn a_page_that_does_not_parse_is_refused_and_nothing_is_unpacked() {
    let world = World::new(|_| ()).await;
    let gzip = Bytes::from_static(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00");
    for body in [gzip, Bytes::new(), Bytes::from_static(b"<html>\n")] {
        assert_eq!(world.refusal(trajectory(key(0), 3), Answer::Bytes(body)).await.0, "parse");
    }
}

#[tokio::test]
async fn a_page_of_another_attempt_is_refused() {
    let world = World::new(|_| ()).await;
    let (cause, text) = world.refusal(trajectory(key(5), 3), Answer::Page).await;
    assert_eq!(cause, "key");
    assert!(text.contains("index: 5") && text.contains("index: 0"), "{text}");
}

#[tokio::test]
async fn an_agent_that_lost_its_memory_is_noticed() {
    let world = World::new(|_| ()).await;
    let agent = world.agent(trajectory(key(0), 8), Answer::Page).await;
    world.gatherer.gather(&agent.target(0)).await.unwrap();
    agent.grow(0, 2);
    let error = world.gatherer.gather(&agent.target(0)).await.unwrap_err();
    assert!(matches!(error, GatherError::Start { expected: 7, found: None }), "{error:?}");
    let mut other = trajectory(key(0), 12);
    other.steps[7].metrics[0] = 0.25;
    agent.state.lock().unwrap().steps = other;
    let error = world.gatherer.gather(&agent.target(0)).await.unwrap_err();
    assert!(matches!(error, GatherError::Changed { step: 7 }), "{error:?}");
    assert_eq!(world.learner.stored(0), Some(trajectory(key(0), 8)), "what was stored stays as it was");
}

#[tokio::test]
async fn only_an_agent_of_this_experiment_is_scraped() {
    let world = World::new(|_| ()).await;
    let twin = Authority::new("one").unwrap();
    for identity in [world.authority.issue(Role::Learner).unwrap(), twin.issue(Role::Agent).unwrap()] {
        let agent = Agent::start(&identity, trajectory(key(0), 3), Answer::Page).await;
        let error = world.gatherer.gather(&agent.target(0)).await.unwrap_err();
        assert_eq!((error.cause(), agent.state.lock().unwrap().scrapes), ("tls", 0));
    }
}

#[tokio::test]
async fn only_the_operator_of_this_experiment_may_scrape() {
    let world = World::new(|_| ()).await;
    let agent = world.agent(trajectory(key(0), 3), Answer::Page).await;
    let config = GatherConfig::new(world.authority.issue(Role::Agent).unwrap(), problem());
    let error = Gatherer::new(config).unwrap().gather(&agent.target(0)).await.unwrap_err();
    assert_eq!((error.cause(), agent.state.lock().unwrap().scrapes), ("status", 0));
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_a_broken_connection() {
    let world = World::new(|_| ()).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let target = gather::Target { key: key(0), address: free.to_string() };
    assert_eq!(world.gatherer.gather(&target).await.unwrap_err().cause(), "connection");
}

#[tokio::test]
async fn bad_agents_do_not_keep_good_ones_from_being_gathered() {
    let world = World::new(|config| {
        impatient(config);
        config.concurrency = 1;
    })
    .await;
    let mut agents = Vec::new();
    for index in 0..8 {
        let answer = if index < 2 { Answer::Hang } else { Answer::Page };
        agents.push(world.agent(trajectory(key(index), 4), answer).await);
    }
    let targets: Vec<_> = (0..).zip(&agents).map(|(index, agent)| agent.target(index)).collect();
    let fine = async || {
        let results = world.gatherer.sweep(&targets).await;
        results.into_iter().map(|(key, result)| (key.index, result.is_ok())).collect::<Vec<_>>()
    };
    let answers: Vec<_> = (0..8).map(|index| (index, index >= 2)).collect();
    assert_eq!(fine().await, answers);
    agents.iter().zip(0..).for_each(|(agent, index)| agent.grow(index, 6));
    // Those that hung come last now.
    assert_eq!(fine().await, [&answers[2..], &answers[..2]].concat());
    assert!((2..8).all(|index| world.learner.stored(index) == Some(trajectory(key(index), 6))));
    assert_eq!(world.gatherer.counters().failures, [("timeout", 4)].into());
}

#[tokio::test]
async fn many_agents_are_gathered_at_once() {
    let world = World::new(|_| ()).await;
    let mut targets = Vec::new();
    for index in 0..64 {
        targets.push(world.agent(trajectory(key(index), 21), Answer::Page).await.target(index));
    }
    let mut results = world.gatherer.sweep(&targets).await;
    results.sort_by_key(|(key, _)| *key);
    assert_eq!(results.len(), 64);
    assert!(results.iter().all(|(_, result)| result.as_ref().is_ok_and(|progress| progress.acknowledged)));
    assert!((0..64).all(|index| world.learner.stored(index) == Some(trajectory(key(index), 21))));
}
