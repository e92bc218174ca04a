//! What a decision costs early and late in a trajectory: the key/value cache should make them much the same.

use std::hint::black_box;
use std::time::{Duration, Instant};

use agent::policy::{Decider, Policy};
use criterion::{Criterion, criterion_group, criterion_main};
use tuning::Random;

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/fixtures.rs"]
mod fixtures;

/// Decisions timed on either side of the one that is asked for.
const AROUND: u32 = 15;

fn decide(decider: &mut Decider, t: u32) -> Duration {
    let mut random = Random::stream(t.into(), &[]);
    let metrics = [10.0 * random.uniform(), random.uniform(), random.uniform()];
    let began = Instant::now();
    black_box(decider.decide(&[], black_box(&metrics), black_box(&[0.01, 0.9])));
    began.elapsed()
}

/// Time of `iterations` decisions within [`AROUND`] of `t`.
fn decisions(policy: &Policy, t: u32, iterations: u64) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let mut decider = policy.start();
        for t in 0..t - AROUND {
            decide(&mut decider, t);
        }
        let timed = (t - AROUND..t + AROUND).take(left as usize);
        left -= timed.len() as u64;
        total += timed.map(|t| decide(&mut decider, t)).sum::<Duration>();
    }
    total
}

fn bench(criterion: &mut Criterion) {
    let problem = fixtures::problem(1000);
    let artifact = fixtures::network(&problem, 1, 0.1);
    let policy = Policy::load(&artifact, &problem).expect("the fixture is a policy");
    let mut group = criterion.benchmark_group("decision");
    group.measurement_time(Duration::from_secs(2));
    for t in [20, 400] {
        group.bench_function(t.to_string(), |bencher| bencher.iter_custom(|n| decisions(&policy, t, n)));
    }
    group.finish();
    criterion.bench_function("load", |bencher| bencher.iter(|| Policy::load(black_box(&artifact), &problem).is_ok()));
}

criterion_group!(benches, bench);
criterion_main!(benches);
