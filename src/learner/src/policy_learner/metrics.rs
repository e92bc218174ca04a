//! What Prometheus sees of a policy learner.

use super::Learner;
use crate::metrics::Page;

/// The learner's state as Prometheus text. Figures of learning become gauges `trainpilot_learner_NAME`.
pub fn render(learner: &Learner) -> String {
    let (state, page) = (learner.state(), Page::new("trainpilot_learner"));
    let gathering = state.gathering.unwrap_or_default();
    page.add("policy_version", "Version of the newest policy published.", state.policy_version as f64);
    page.add("epochs_learned", "Epochs gathered and learned from.", f64::from(state.epochs_learned));
    let trained = state.env_steps_trained as f64;
    page.add("env_steps_trained", "Env steps really trained, failed attempts included.", trained);
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
        page.add(&name, "Figure of the last learned epoch.", value);
    }
    if let Some(forecasts) = learner.forecasts() {
        page.add_forecasts(&forecasts);
    }
    page.text()
}
