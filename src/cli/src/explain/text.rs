//! A decision as people read it.

use comfy_table::{Attribute, Cell};

use super::decision::{Explanation, Steered};
use crate::text::{number, number_or_dash, table};

pub(super) fn text(decision: &Explanation) -> String {
    [head(decision), seen(decision), thought(decision), decided(decision)].concat()
}

fn head(decision: &Explanation) -> String {
    let Explanation { experiment, repetition, index, step, env_steps, policy_version, .. } = decision;
    let epoch =
        if decision.final_evaluation { "the final evaluation".to_owned() } else { format!("epoch {}", decision.epoch) };
    let task = if decision.task.is_empty() { String::new() } else { format!(", task {}", decision.task) };
    format!(
        "{experiment}: repetition {repetition}, {epoch}, index {index}{task}\n\
         after {step} of {env_steps} env steps, by version {policy_version} of the policy\n\n"
    )
}

fn seen(decision: &Explanation) -> String {
    let mut table = table(["measured", "value", "as policies see it"]);
    for metric in &decision.metrics {
        let seen = metric.seen.map_or_else(|| "not at all".to_owned(), |seen| format!("{seen:.3}"));
        table.add_row([metric.name.clone(), number(metric.value), seen]);
    }
    format!("{table}\n\n")
}

fn thought(decision: &Explanation) -> String {
    if let Some(recipe) = &decision.recipe {
        return format!("It follows a recipe: {recipe}\n\n");
    }
    if let Some(keep) = decision.keep {
        return format!("The policy had no say ({keep:?}): everything was kept\n\n");
    }
    let value = number_or_dash(decision.value.map(f64::from));
    format!("Return expected from here: {value}; what came: {}\n\n", number(decision.reward_to_come))
}

/// A row for each hyperparameter: its value, the probability of each multiplier, which one was taken, and what came of it.
fn decided(decision: &Explanation) -> String {
    let multipliers = decision.multipliers.iter().map(|multiplier| format!("× {multiplier}"));
    let names = ["hyperparameter", "value"].map(str::to_owned).into_iter();
    let mut table = table(names.chain(multipliers).chain(["then".to_owned()]));
    for steered in &decision.hyperparameters {
        let name = [steered.name.clone(), number(steered.value)].map(Cell::new).into_iter();
        let then = Cell::new(number_or_dash(steered.next));
        let chances = (0..decision.multipliers.len()).map(|action| chance(steered, action));
        table.add_row(name.chain(chances).chain([then]));
    }
    format!("{table}\n")
}

/// Probability of an action; the one that was taken stands out, also where there is no colour.
fn chance(steered: &Steered, action: usize) -> Cell {
    let taken = steered.action == action;
    let recorded = if taken { steered.recorded } else { None };
    let chance = steered.probabilities.get(action).copied().or(recorded);
    let text = chance.map_or_else(String::new, |chance| format!("{:.1} %", 100.0 * chance));
    if taken { Cell::new(format!("▸ {text}")).add_attribute(Attribute::Bold) } else { Cell::new(text) }
}
