//! What Prometheus sees of a policy learner.

use super::{Curve, Learner, QUANTILES};
use crate::metrics::Page;

/// The learner's state as Prometheus text. Figures of learning become gauges `trainpilot_learner_NAME`.
pub fn render(learner: &Learner) -> String {
    let (state, page) = (learner.state(), Page::new("trainpilot_learner"));
    let gathering = state.gathering.unwrap_or_default();
    page.add("policy_version", "Version of the newest policy published.", state.policy_version as f64);
    page.add("epochs_learned", "Epochs gathered and learned from.", f64::from(state.epochs_learned));
    let trained = state.env_steps_trained as f64;
    page.add("env_steps_trained", "Env steps really trained, failed attempts included.", trained);
    let fte = trained / f64::from(learner.problem().env_steps);
    page.add("fte", "The same in full training equivalents.", fte);
    page.add("dataset_rows", "Rows committed to the dataset.", learner.rows() as f64);
    let of = "trajectories of the running epoch.";
    page.add("trajectories_completed", &format!("Completed {of}"), f64::from(gathering.completed));
    page.add("trajectories_diverged", &format!("Diverged {of}"), f64::from(gathering.diverged));
    page.add("trajectories_lost", &format!("Lost {of}"), f64::from(gathering.lost));
    if let Some(epoch) = state.epochs.last() {
        page.add("objective_mean", "Mean objective of the last learned epoch.", epoch.mean.unwrap_or(f64::NAN));
        page.add("objective_best", "Best objective of the last learned epoch.", epoch.best.unwrap_or(f64::NAN));
    }
    for (name, value) in learner.figures() {
        page.add(&snake_case(&name), "Figure of the last learned epoch.", value);
    }
    if let Some(forecasts) = learner.forecasts() {
        page.add_forecasts(&forecasts);
    }
    if let Some(course) = learner.course() {
        add_curves(&page, "metric", "a metric", &course.metrics);
        add_curves(&page, "hyperparameter", "a hyperparameter, as it was asked for,", &course.hyperparameters);
    }
    if let Some(space) = learner.space() {
        page.add_space(space);
    }
    page.text()
}

/// Adds `course_KIND`: how each of a kind went in the last epoch.
fn add_curves(page: &Page, kind: &str, what: &str, curves: &[Curve]) {
    let values = curves.iter().flat_map(|curve| {
        curve.points.iter().flat_map(move |(step, quantiles)| {
            let labels = move |q: f64| vec![curve.name.clone(), step.to_string(), q.to_string()];
            QUANTILES.iter().zip(quantiles).map(move |(q, value)| (labels(*q), *value))
        })
    });
    let help = format!("Quantiles of {what} over the trajectories of the last learned epoch.");
    page.add_each(&format!("course_{kind}"), &help, &[kind, "env_step", "quantile"], values);
}

/// Files name figures in camel case, Prometheus has none.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
