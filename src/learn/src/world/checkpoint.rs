//! What a world model goes on from, as a part of a checkpoint.

use serde::{Deserialize, Serialize};
use wire::settings::WorldModelSettings;

use super::WorldModel;
use crate::CheckpointError;
use crate::checkpoint::{Reader, Writer, same};

/// What stands beside the weights.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Data {
    action_space: String,
    settings: WorldModelSettings,
    fits: u32,
    fixed: Vec<Vec<f32>>,
}

impl WorldModel {
    /// Adds all that training changes, as the part `prefix`. Each training has an optimizer of its own, so there is none
    /// between two of them.
    pub(crate) fn write(&self, writer: &mut Writer, prefix: &str) {
        let data = Data {
            action_space: self.problem.action_space_hash(),
            settings: self.settings.clone(),
            fits: self.fits,
            fixed: self.forecaster.fixed(),
        };
        let weights = self.forecaster.weights();
        writer.data(prefix, &data);
        writer.tensors(prefix, weights, &weights.flat());
    }

    /// Goes back to what [`WorldModel::write`] added.
    pub(crate) fn read(&mut self, reader: &Reader, prefix: &str) -> Result<(), CheckpointError> {
        let data: Data = reader.data(prefix)?;
        same("action space", &data.action_space, &self.problem.action_space_hash())?;
        same("world model", &data.settings, &self.settings)?;
        let weights = reader.tensors(prefix, self.forecaster.weights())?;
        self.forecaster.weights_mut().set(&weights);
        self.forecaster.set_fixed(data.fixed);
        self.fits = data.fits;
        Ok(())
    }
}
