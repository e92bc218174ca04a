//! Prints `golden.json`: inputs and expected outputs of every formula of this crate, for checks in any language.
//!
//! Numbers are rounded to 13 digits, so that the last bit of a platform's `exp` and `ln` cannot matter. Numbers of 64
//! bits are hexadecimal text, because not every JSON reader keeps them whole.

use serde_json::{Value, json};
use tuning::{
    Decay, Direction, Draw, Draws, FixedPrecision, Hyperparameter, Inputs, Metric, Objective, Observer, Outcome,
    Problem, Random, Scale, Schedule, Stage, Steering, rewards, sample,
};

fn main() -> anyhow::Result<()> {
    println!("{:#}", golden()?);
    Ok(())
}

/// Everything in the file.
pub fn golden() -> anyhow::Result<Value> {
    let problem = problem();
    let observations = [Inputs::TALK, Inputs::ALL, Inputs::OPEN_LOOP].map(|inputs| observations(&problem, inputs));
    Ok(json!({
        "problem": problem,
        "actionSpaceHash": problem.action_space_hash(),
        "metrics": metrics(&problem),
        "hyperparameters": hyperparameters(&problem),
        "observations": observations,
        "schedules": schedules(),
        "steering": steering(&problem),
        "rewards": all_rewards(&problem),
        "encodings": [encoding(8, 2)?, encoding(128, 2)?, encoding(3, 5)?],
        "random": [random(0, &[]), random(1, &[0]), random(1, &[1, 2, 3]), random(u64::MAX, &[u64::MAX])],
        "draws": [draws(&problem, 1)?, draws(&problem, 3)?],
        "samples": samples(),
    }))
}

fn problem() -> Problem {
    let metric = |name: &str, range, scale, observed| Metric { name: name.to_owned(), range, scale, observed };
    let learning_rate = Hyperparameter {
        name: "learning_rate".to_owned(),
        initial: None,
        initial_range: Some([1e-3, 0.1]),
        min: 0.0001,
        max: 1.0,
        complement: false,
        schedule: Schedule { decay: Decay::Linear, to: 0.1, warm_up: 2 },
    };
    let momentum = Hyperparameter {
        name: "momentum".to_owned(),
        initial: Some(0.9),
        initial_range: None,
        min: 0.0,
        max: 0.99,
        complement: true,
        schedule: Schedule::default(),
    };
    Problem {
        objective: Objective { metric: "validation_accuracy".to_owned(), direction: Direction::Maximize },
        metrics: vec![
            metric("training_loss", [0.0, 10.0], Scale::Log, true),
            metric("test_accuracy", [0.0, 1.0], Scale::Linear, false),
            metric("validation_accuracy", [0.0, 1.0], Scale::Logit, true),
            metric("gradient_norm", [-1.0, 3.0], Scale::Linear, true),
        ],
        hyperparameters: vec![learning_rate, momentum],
        multipliers: vec![0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        env_steps: 10,
    }
}

fn rounded(x: f64) -> f64 {
    format!("{x:.12e}").parse().unwrap_or(x)
}

fn all_rounded(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().copied().map(rounded).collect()
}

fn metrics(problem: &Problem) -> Vec<Value> {
    let at = |metric: &Metric, place: f64| rounded(metric.range[0] + place * metric.span());
    let cases = |metric: &Metric| -> Vec<_> {
        [-0.5, 0.0, 0.03, 0.25, 0.5, 0.9, 1.0, 1.5]
            .map(|place| at(metric, place))
            .map(|x| [x, rounded(metric.seen(x))])
            .into()
    };
    problem.metrics.iter().map(|metric| json!({"name": metric.name, "cases": cases(metric)})).collect()
}

fn hyperparameters(problem: &Problem) -> Vec<Value> {
    let cases = |h: &Hyperparameter| -> Vec<_> {
        [0.0, 0.0002, 0.01, 0.3, 0.9, 0.98, 2.0].map(|x| [x, rounded(h.seen(x))]).into()
    };
    problem.hyperparameters.iter().map(|h| json!({"name": h.name, "cases": cases(h)})).collect()
}

fn observations(problem: &Problem, inputs: Inputs) -> Value {
    let reports = [
        ([9.0, 0.1, 0.1, 0.5], [0.01, 0.9]),
        ([3.0, 0.5, 0.55, 0.7], [0.02, 0.88]),
        ([2.9, 0.6, 0.5, -4.0], [0.0001, 0.0]),
        ([12.0, 0.0, 0.56, 3.5], [1.0, 0.99]),
    ];
    let mut observer = Observer::new(problem, inputs);
    let cases = reports.map(|(metrics, hyperparameters)| {
        let vector = observer.observe(&metrics, &hyperparameters);
        // Inputs of a network are 32-bit: fewer digits are sure.
        let vector: Vec<f64> = vector.iter().map(|x| format!("{x:.5e}").parse().unwrap_or_default()).collect();
        json!({"metrics": metrics, "hyperparameters": hyperparameters, "vector": vector})
    });
    json!({"inputs": inputs, "cases": cases})
}

fn schedules() -> Vec<Value> {
    let mut all = Vec::new();
    for decay in [Decay::Constant, Decay::Linear, Decay::Cosine] {
        for (to, warm_up) in [(0.0, 0), (0.25, 3), (0.5, 12)] {
            let schedule = Schedule { decay, to, warm_up };
            let factors: Vec<f64> = (0..10).map(|step| rounded(schedule.factor(step, 10))).collect();
            all.push(json!({"schedule": schedule, "envSteps": 10, "factors": factors}));
        }
    }
    all
}

fn steering(problem: &Problem) -> Value {
    let initial = [0.4, 0.9];
    let mut steering = Steering::start(problem, &initial);
    let mut values = vec![all_rounded(&steering.values())];
    let actions = [[6, 3], [6, 0], [6, 6], [2, 6], [0, 6], [0, 6], [1, 6], [3, 5], [3, 1], [4, 0]];
    for (step, action) in (0..).zip(actions) {
        steering.act(step, &action);
        values.push(all_rounded(&steering.values()));
    }
    json!({"initial": initial, "actions": actions, "values": values})
}

fn all_rewards(problem: &Problem) -> Vec<Value> {
    let (curve, mut all) = ([0.1, 0.6, 0.55, 1.2, 0.9], Vec::new());
    for direction in [Direction::Maximize, Direction::Minimize] {
        for outcome in [Outcome::Completed, Outcome::Diverged, Outcome::Lost] {
            let rewards = all_rounded(&rewards(problem.objective_metric(), direction, &curve, outcome));
            all.push(json!({"direction": direction, "outcome": outcome, "curve": curve, "rewards": rewards}));
        }
    }
    all
}

fn encoding(vocabulary: u16, symbols: u8) -> anyhow::Result<Value> {
    let encoding = FixedPrecision::new(vocabulary, symbols)?;
    let mut cases = Vec::new();
    for x in [-0.5, 0.0, 0.001, 0.1, 0.333, 0.5, 0.73, 0.999, 1.0, 2.0] {
        let encoded = encoding.encode(x);
        let decoded = rounded(encoding.decode(&encoded)?);
        cases.push(json!({"number": x, "symbols": encoded, "decoded": decoded}));
    }
    let weights = all_rounded(&encoding.significance(0.8));
    Ok(json!({"vocabulary": vocabulary, "symbols": symbols, "decay": 0.8, "weights": weights, "cases": cases}))
}

fn hexadecimal(bits: u64) -> String {
    format!("{bits:016x}")
}

fn random(seed: u64, labels: &[u64]) -> Value {
    let mut random = Random::stream(seed, labels);
    let bits = [(); 4].map(|()| hexadecimal(random.bits()));
    let uniform = [(); 4].map(|()| random.uniform());
    let below = [(); 4].map(|()| random.below(7));
    let labels: Vec<String> = labels.iter().copied().map(hexadecimal).collect();
    json!({"seed": hexadecimal(seed), "labels": labels, "bits": bits, "uniform": uniform, "below7": below})
}

fn draws(problem: &Problem, group: u32) -> anyhow::Result<Value> {
    let tasks = json!([{"name": "narrow", "weight": 1.0}, {"name": "wide", "weight": 2.5, "initial": {"momentum": 0.5}}, {"name": "deep", "weight": 1.5}]);
    let given = json!({"seed": 17, "tasks": tasks, "group": group});
    let draws: Draws = serde_json::from_value(given.clone())?;
    let mut cases = Vec::new();
    for (repetition, epoch) in [(0, 1), (1, 1), (1, 2)] {
        for index in 0..7 {
            let draw = drawn(&draws, problem, Stage::Learning { repetition, epoch }, index);
            cases.push(json!({"repetition": repetition, "epoch": epoch, "index": index, "draw": draw}));
        }
    }
    cases.extend((0..7).map(|index| json!({"index": index, "draw": drawn(&draws, problem, Stage::Final, index)})));
    Ok(json!({"draws": given, "cases": cases}))
}

fn drawn(draws: &Draws, problem: &Problem, stage: Stage, index: u32) -> Draw {
    let draw = draws.draw(problem, stage, index);
    Draw { initial: all_rounded(&draw.initial), ..draw }
}

fn samples() -> Value {
    let log_probabilities: Vec<f32> = [0.125_f32, 0.5, 0.25, 0.125].iter().map(|p| p.ln()).collect();
    let cases = [0.0, 0.1, 0.126, 0.6, 0.63, 0.8, 0.9, 0.999].map(|u| json!([u, sample(&log_probabilities, u)]));
    json!({"logProbabilities": log_probabilities, "cases": cases})
}
