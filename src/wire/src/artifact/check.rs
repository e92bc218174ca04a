//! What must hold of an artifact before anything in it is believed.

use safetensors::{Dtype, SafeTensorError};
use tuning::{Inputs, Problem, ProblemError, Recipe};

use super::{Continuous, FORMAT, Header, MAX_BYTES, METADATA_KEY, Policy, Symbols};

/// Why an artifact is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file is larger than any policy.
    #[error("an artifact has at most {MAX_BYTES} bytes, this has {0}")]
    TooLarge(usize),
    /// The file is cut short or something else altogether.
    #[error("not a complete safetensors file")]
    Safetensors(#[source] SafeTensorError),
    /// The file is safetensors, but not ours.
    #[error("the safetensors metadata has no entry {METADATA_KEY:?}: not a policy of trainpilot")]
    NoHeader,
    /// The header is not JSON, or lacks or adds a field.
    #[error("the header of the policy does not parse")]
    Header(#[source] serde_json::Error),
    /// The artifact was written by another version.
    #[error("expected artifact format {FORMAT}, found {0}")]
    Format(u64),
    /// The header's problem can't be worked on.
    #[error("the policy was learned for an impossible problem")]
    Problem(#[from] ProblemError),
    /// The header contradicts itself.
    #[error("actionSpace is {found:?}, but that of the header's problem is {expected:?}")]
    ActionSpace {
        /// Hash in the header.
        found: String,
        /// Hash of the header's problem.
        expected: String,
    },
    /// A size or text in the header is out of bounds.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A weight is missing.
    #[error("tensor {name:?} of shape {shape:?} is missing")]
    Missing {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// There is a tensor that the policy does not have.
    #[error("tensor {0:?} is not part of such a policy")]
    Unexpected(String),
    /// A weight has the wrong type.
    #[error("tensor {name:?} is {found}, expected F32")]
    Type {
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: Dtype,
    },
    /// A weight has the wrong shape.
    #[error("tensor {name:?} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What the header asks for.
        expected: Vec<usize>,
    },
    /// Numbers given for a weight don't fill its shape.
    #[error("tensor {name:?} holds {found} numbers, its shape needs {expected}")]
    Length {
        /// Name of the tensor.
        name: String,
        /// Numbers given.
        found: usize,
        /// Numbers needed.
        expected: usize,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {0:?} holds a number that is not finite")]
    NotFinite(String),
}

/// Longest name of an experiment, metric, hyperparameter, ….
const MAX_TEXT: usize = 253;

pub(super) fn header(header: &Header) -> Result<(), ArtifactError> {
    if header.format != FORMAT {
        return Err(ArtifactError::Format(header.format.into()));
    }
    problem(&header.problem)?;
    let expected = header.problem.action_space_hash();
    if header.action_space != expected {
        return Err(ArtifactError::ActionSpace { found: header.action_space.clone(), expected });
    }
    for (field, value) in [
        ("experiment", &header.experiment),
        ("uid", &header.uid),
        ("training.algorithm", &header.training.algorithm),
        ("training.preset", &header.training.preset),
    ] {
        text(field, value)?;
    }
    match &header.policy {
        Policy::Continuous(shape) => continuous(shape, &header.problem),
        Policy::Symbols(shape) => symbols(shape, &header.problem),
        Policy::Recipes { recipes: all } => recipes(all, &header.problem),
        Policy::Random => Ok(()),
    }
}

fn problem(problem: &Problem) -> Result<(), ArtifactError> {
    problem.check()?;
    within("problem.metrics", problem.metrics.len(), 1, 256)?;
    within("problem.hyperparameters", problem.hyperparameters.len(), 1, 64)?;
    within("problem.multipliers", problem.multipliers.len(), 1, 64)?;
    problem.metrics.iter().try_for_each(|metric| text("problem.metrics.name", &metric.name))?;
    problem.hyperparameters.iter().try_for_each(|h| text("problem.hyperparameters.name", &h.name))
}

fn continuous(shape: &Continuous, problem: &Problem) -> Result<(), ArtifactError> {
    let &Continuous { d_model, d_ff, layers, heads, .. } = shape;
    sizes(d_model, d_ff, layers, heads)?;
    inputs(&shape.inputs, problem)
}

fn symbols(shape: &Symbols, problem: &Problem) -> Result<(), ArtifactError> {
    let &Symbols { d_model, d_ff, layers, heads, code, window } = shape;
    sizes(d_model, d_ff, layers, heads)?;
    if let Err(error) = code.precision() {
        return refuse("code", format!("{} of {}", code.symbols, code.vocabulary), error.to_string());
    }
    within("vocabulary", code.vocabulary.into(), 2, 4096)?;
    within("symbols of an env step", code.env_step(problem), 1, 4096)?;
    within("window", window.map_or(1, |window| window as usize), 1, 65_536)?;
    range("code.oneRange", code.one_range)
}

fn sizes(d_model: usize, d_ff: usize, layers: usize, heads: usize) -> Result<(), ArtifactError> {
    within("dModel", d_model, 1, 1024)?;
    within("dFf", d_ff, 1, 4096)?;
    within("layers", layers, 1, 16)?;
    within("heads", heads, 1, 64)?;
    if d_model.is_multiple_of(heads) {
        return Ok(());
    }
    refuse("heads", heads, format!("a divisor of dModel, {d_model}"))
}

fn inputs(inputs: &Inputs, problem: &Problem) -> Result<(), ArtifactError> {
    within("width of inputs", inputs.width(problem), 1, 1024)?;
    range("inputs.oneRange", inputs.one_range)
}

fn range(field: &'static str, range: Option<[f64; 2]>) -> Result<(), ArtifactError> {
    match range {
        Some([low, high]) if !(low.is_finite() && high.is_finite() && low < high) => {
            refuse(field, format!("{:?}", [low, high]), "two finite numbers, the lower one first".to_owned())
        }
        _ => Ok(()),
    }
}

fn recipes(recipes: &[Recipe], problem: &Problem) -> Result<(), ArtifactError> {
    within("recipes", recipes.len(), 1, 4096)?;
    let wanted = problem.hyperparameters.len();
    for recipe in recipes {
        within("recipes.schedules", recipe.schedules.len(), wanted, wanted)?;
        let starts = recipe.starts.as_ref().map_or(wanted, Vec::len);
        within("recipes.starts", starts, wanted, wanted)?;
    }
    Ok(())
}

fn within(field: &'static str, found: usize, low: usize, high: usize) -> Result<(), ArtifactError> {
    if (low..=high).contains(&found) {
        return Ok(());
    }
    refuse(field, found, if low == high { low.to_string() } else { format!("{low} to {high}") })
}

fn text(field: &'static str, text: &str) -> Result<(), ArtifactError> {
    if text.len() <= MAX_TEXT && !text.contains(char::is_control) {
        return Ok(());
    }
    let start: String = text.chars().take(40).collect();
    refuse(field, format!("{start:?}"), format!("at most {MAX_TEXT} bytes without control characters"))
}

fn refuse<T>(field: &'static str, found: impl ToString, expected: String) -> Result<T, ArtifactError> {
    Err(ArtifactError::Field { field, found: found.to_string(), expected })
}
