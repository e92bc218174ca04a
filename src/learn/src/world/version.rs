//! A world model as it is published: what its learner keeps after each epoch, and the policy learner takes over.

use serde::{Deserialize, Serialize};
use wire::forecast::ForecastScores;
use wire::settings::WorldModelSettings;

use super::{Fit, WorldModel};
use crate::CheckpointError;
use crate::checkpoint::{Reader, Writer, same};

// Parts of the file.
const TRAINED: &str = "trained";
const MODEL: &str = "worldModel.";

/// What training on the trajectories up to an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trained {
    /// Unique id of the experiment.
    pub uid: String,
    /// Repetition that it belongs to.
    pub repetition: u32,
    /// Epoch up to which trajectories are known; also the version of the world model.
    pub epoch: u32,
    /// Of the training; none where it failed, and the weights are those of the version before.
    pub fit: Option<Fit>,
    /// Why it failed, if it did.
    pub refusal: Option<String>,
    /// How well it forecasts what it was not trained on; none where nothing is held out.
    pub scores: Option<ForecastScores>,
    /// Seconds that training and scoring took.
    pub seconds: f64,
}

/// What stands beside the weights.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Data {
    action_space: String,
    settings: WorldModelSettings,
    fits: u32,
    fixed: Vec<Vec<f32>>,
}

impl Trained {
    /// Reads it from a published version, all of whose numbers are finite.
    ///
    /// # Errors
    /// If `version` is damaged or something else.
    pub fn of(version: &[u8]) -> Result<Self, CheckpointError> {
        let reader = Reader::open(version)?;
        reader.check_finite()?;
        reader.data(TRAINED)
    }
}

impl WorldModel {
    /// The file of the version that `trained` speaks of. Each training has an optimizer of its own, so there is none between
    /// two of them.
    pub fn publish(&self, trained: &Trained) -> Vec<u8> {
        let data = Data {
            action_space: self.problem.action_space_hash(),
            settings: self.settings.clone(),
            fits: self.fits,
            fixed: self.forecaster.fixed(),
        };
        let (mut writer, weights) = (Writer::default(), self.forecaster.weights());
        writer.data(TRAINED, trained);
        writer.data(MODEL, &data);
        writer.tensors(MODEL, weights, &weights.flat());
        writer.finish()
    }

    /// Becomes what [`WorldModel::publish`] gave.
    ///
    /// # Errors
    /// If `version` is damaged, foreign, or of other problems or networks; the world model is then as it was before.
    pub fn take(&mut self, version: &[u8]) -> Result<Trained, CheckpointError> {
        let reader = Reader::open(version)?;
        let (trained, data): (Trained, Data) = (reader.data(TRAINED)?, reader.data(MODEL)?);
        same("action space", &data.action_space, &self.problem.action_space_hash())?;
        same("world model", &data.settings, &self.settings)?;
        let weights = reader.tensors(MODEL, self.forecaster.weights())?;
        self.forecaster.weights_mut().set(&weights);
        self.forecaster.set_fixed(data.fixed);
        self.fits = data.fits;
        Ok(trained)
    }
}
