//! A policy's header in words.

use tuning::{Decay, Hyperparameter, Inputs, Metric, Recipe, Schedule};
use wire::artifact::{Continuous, Header, Policy, Symbols};

use crate::text::number;

/// What the policy is, a line for each thing.
pub(super) fn text(header: &Header) -> String {
    let training = &header.training;
    let objective =
        training.objective.map_or_else(String::new, |x| format!(", objective {} in the last one", number(x)));
    let preset = if training.preset.is_empty() { String::new() } else { format!(" ({})", training.preset) };
    let metrics: Vec<String> = header.problem.metrics.iter().map(metric).collect();
    let hyperparameters: Vec<String> = header.problem.hyperparameters.iter().map(hyperparameter).collect();
    let multipliers: Vec<String> = header.problem.multipliers.iter().map(ToString::to_string).collect();
    let lines = [
        ("experiment", format!("{} (uid {})", header.experiment, header.uid)),
        ("version", format!("{} of repetition {}, format {}", header.version, header.repetition, header.format)),
        (
            "learned by",
            format!(
                "{}{preset}: {} epochs, {} FTE{objective}",
                training.algorithm,
                training.epochs,
                number(training.fte)
            ),
        ),
        ("policy", policy(header)),
        ("objective", format!("{} ({:?})", header.problem.objective.metric, header.problem.objective.direction)),
        ("metrics", metrics.join("\n              ")),
        ("steers", hyperparameters.join("\n              ")),
        ("multipliers", multipliers.join(", ")),
        ("env steps", header.problem.env_steps.to_string()),
        ("action space", header.action_space.clone()),
    ];
    lines.iter().map(|(name, value)| format!("{name:<12}  {value}\n")).collect()
}

fn policy(header: &Header) -> String {
    match &header.policy {
        Policy::Continuous(Continuous { inputs, d_model, d_ff, layers, heads }) => {
            format!("{}; sees {}", transformer(header, [*d_model, *d_ff, *layers, *heads]), self::inputs(inputs))
        }
        Policy::Symbols(Symbols { code, d_model, d_ff, layers, heads, window }) => {
            let window =
                window.map_or_else(|| "all of the trajectory".to_owned(), |bin| format!("bins of {bin} of them"));
            let network = transformer(header, [*d_model, *d_ff, *layers, *heads]);
            format!("{network}; reads {} symbols a number, of {}, and sees {window}", code.symbols, code.vocabulary)
        }
        Policy::Random => "every action equally likely".to_owned(),
        Policy::Recipes { recipes } => {
            let recipes: Vec<String> =
                recipes.iter().map(|recipe| self::recipe(recipe, &header.problem.hyperparameters)).collect();
            format!("recipes, in turn: {}", recipes.join("; "))
        }
    }
}

fn transformer(header: &Header, [d_model, d_ff, layers, heads]: [usize; 4]) -> String {
    let tensors = header.policy.tensors(&header.problem);
    let weights: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    format!("Transformer, {layers} layers of width {d_model} ({d_ff} inside), {heads} heads, {weights} weights")
}

fn inputs(inputs: &Inputs) -> String {
    let parts = [
        (inputs.metrics, "metrics"),
        (inputs.hyperparameters, "hyperparameters"),
        (inputs.time, "time"),
        (inputs.best, "best objective"),
        (inputs.differences, "differences"),
    ];
    let seen: Vec<&str> = parts.iter().filter(|(seen, _)| *seen).map(|(_, name)| *name).collect();
    let range = inputs.one_range.map_or_else(String::new, |[low, high]| format!(", all metrics on {low} to {high}"));
    seen.join(", ") + &range
}

/// A recipe in words.
pub(crate) fn recipe(recipe: &Recipe, hyperparameters: &[Hyperparameter]) -> String {
    let start = |place: usize| {
        recipe.starts.as_ref().map_or_else(String::new, |starts| format!(" from {}", number(starts[place])))
    };
    let one = |(place, h): (usize, &Hyperparameter)| {
        format!("{}{} {}", h.name, start(place), schedule(&recipe.schedules[place]))
    };
    hyperparameters.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

fn schedule(schedule: &Schedule) -> String {
    let shape = match schedule.decay {
        Decay::Constant => "constant".to_owned(),
        Decay::Linear => format!("linear to {} of it", schedule.to),
        Decay::Cosine => format!("cosine to {} of it", schedule.to),
    };
    if schedule.warm_up == 0 { shape } else { format!("{shape} after {} env steps of warm-up", schedule.warm_up) }
}

fn metric(metric: &Metric) -> String {
    let [low, high] = metric.range;
    let unseen = if metric.observed { "" } else { ", not seen" };
    format!("{} in {low} to {high}, {:?}{unseen}", metric.name, metric.scale)
}

fn hyperparameter(h: &Hyperparameter) -> String {
    let by = if h.complement { ", by 1 − x" } else { "" };
    format!("{} from {:?} to {:?}{by}", h.name, h.min, h.max)
}
