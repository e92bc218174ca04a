//! Whether a policy can be used in another experiment than the one it was learned in.

use std::fmt::Debug;

use tuning::Problem;

/// The first difference between what a policy was learned for and what it is to be used for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: the policy was learned with {learned}, the experiment has {wanted}")]
pub struct Misfit {
    /// What differs.
    pub field: String,
    /// What the policy was learned with.
    pub learned: String,
    /// What it is to be used with.
    pub wanted: String,
}

/// Whether a policy that was learned for one problem can decide for another: all that [`Problem::action_space_hash`] covers
/// must agree.
pub fn fits(learned: &Problem, wanted: &Problem) -> Result<(), Misfit> {
    let pairs = aspects(learned).into_iter().zip(aspects(wanted));
    // Names come before what belongs to them: until the first difference, both lists speak of the same things.
    match pairs.into_iter().find(|((_, learned), (_, wanted))| learned != wanted) {
        Some(((field, learned), (_, wanted))) => Err(Misfit { field, learned, wanted }),
        None => Ok(()),
    }
}

fn aspects(problem: &Problem) -> Vec<(String, String)> {
    // An unobserved objective still shows in the best so far.
    let objective = &problem.objective.metric;
    let seen: Vec<_> = problem.metrics.iter().filter(|m| m.observed || m.name == *objective).collect();
    let names: Vec<_> = seen.iter().map(|metric| &metric.name).collect();
    let steered: Vec<_> = problem.hyperparameters.iter().map(|h| &h.name).collect();
    let mut aspects = vec![
        aspect("objective.metric", objective),
        aspect("objective.direction", &problem.objective.direction),
        aspect("metrics that the policy sees", &names),
        aspect("hyperparameters", &steered),
        aspect("multipliers", &problem.multipliers),
    ];
    for metric in seen {
        aspects.push(aspect(&format!("observed of metric {}", metric.name), &metric.observed));
        aspects.push(aspect(&format!("range of metric {}", metric.name), &metric.range));
        aspects.push(aspect(&format!("scale of metric {}", metric.name), &metric.scale));
    }
    for h in &problem.hyperparameters {
        aspects.push(aspect(&format!("bounds of hyperparameter {}", h.name), &[h.min, h.max]));
        aspects.push(aspect(&format!("complement of hyperparameter {}", h.name), &h.complement));
    }
    aspects
}

fn aspect(field: &str, value: &dyn Debug) -> (String, String) {
    (field.to_owned(), format!("{value:?}"))
}
