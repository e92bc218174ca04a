//! What Prometheus sees of a world-model learner.

use super::WorldModelLearner;
use crate::metrics::Page;

/// The learner's state as Prometheus text: `trainpilot_world_model_…`. Scraped while it trains, the losses are its curves.
pub fn render(learner: &WorldModelLearner) -> String {
    let page = Page::new("trainpilot_world_model");
    let standing = learner.standing();
    let (state, figure) = (&standing.state, |name: &str| standing.figures.get(name).copied().unwrap_or(f64::NAN));
    page.add("epochs_trained", "Epochs trained on and published.", f64::from(state.epochs_trained));
    page.add("training", "Whether it trains.", f64::from(u8::from(state.doing.is_some())));
    page.add("faulty", "Whether something is wrong.", f64::from(u8::from(state.fault.is_some())));
    page.add("optimizer_step", "Optimizer steps of the training that goes on, or was the last.", figure("step"));
    page.add("optimizer_steps", "Most that it may make.", figure("steps"));
    page.add("loss", "Negative log-likelihood of its last batch, in nats per env step.", figure("loss"));
    page.add("held_out_loss", "The same of what is held out.", figure("held_out_loss"));
    if let Some(forecasts) = &standing.forecasts {
        page.add_forecasts(forecasts);
    }
    if let Some(space) = learner.space() {
        page.add_space(space);
    }
    page.text()
}
