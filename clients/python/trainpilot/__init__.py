"""Let trainpilot steer the hyperparameters of a training.

>>> import trainpilot
>>> loss = 8.0
>>> tuner = trainpilot.connect(learning_rate=0.5, env_steps=3)
>>> hyperparameters = tuner.step({"validation_loss": loss})  # an evaluation before any training
>>> while not tuner.done:
...     loss *= 1 - hyperparameters["learning_rate"]
...     hyperparameters = tuner.step({"validation_loss": loss})
>>> loss
1.0

An *env step* is a fixed number of your training steps followed by an evaluation. Where TRAINPILOT_URL is set, an agent
answers each report with the next hyperparameters; where it is not, `step` gives back what the script started from, so that
it runs alone. The standard library is enough. `trainpilot.torch`, `.keras`, `.huggingface`, `.lightning` and `.optax` find
and set the values in what these libraries have.
"""

from ._contract import Refused, Unreachable
from ._experiment import Experiment, Failed, InvalidExperiment
from ._knobs import Knob, UnknownHyperparameter
from ._tuner import Tuner, connect

__all__ = [
    "Experiment",
    "Failed",
    "InvalidExperiment",
    "Knob",
    "Refused",
    "Tuner",
    "UnknownHyperparameter",
    "Unreachable",
    "connect",
]
