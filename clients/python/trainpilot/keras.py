"""Keras 3: a callback. An env step is an epoch.

evaluate = lambda: model.evaluate(x, y, verbose=0, return_dict=True)
model.fit(..., callbacks=[trainpilot.keras.Callback({"validation_loss": "loss"}, evaluate)])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from ._knobs import Knob, Knobs
from ._metrics import picked
from ._tuner import Tuner


class Callback(keras.callbacks.Callback):
    """Reports before the first epoch and after each, and ends the training when it is over.

    `evaluate` measures; `metrics` names, for each metric of the experiment, what it calls it. Steered can be the learning
    rate, and with the backend PyTorch or `run_eagerly=True`, where a step is not compiled with the values of the first,
    also weight decay, momentum (or beta_1) and dropout. `arguments` are those of `trainpilot.connect`.
    """

    def __init__(self, metrics: Mapping[str, str], evaluate: Callable[[], Mapping[str, Any]], **arguments: Any) -> None:
        super().__init__()
        self._names, self._evaluate, self._arguments = metrics, evaluate, arguments
        self.tuner: Tuner | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Finds what can be steered, and reports before any training."""
        found = Knobs(type(self.model.optimizer).__name__, _of(self.model))
        self.tuner = Tuner(found.values(), found, **self._arguments)
        self._report()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reports."""
        self._report()

    def _report(self) -> None:
        if self.tuner is None or self.tuner.done or not self.tuner.steered:
            return
        self.tuner.step(picked(self._names, self._evaluate()))
        if self.tuner.done:
            self.model.stop_training = True


def _of(model: Any) -> dict[str, Knob]:
    optimizer = model.optimizer
    knobs = {}
    if not isinstance(getattr(optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule):
        knobs["learning_rate"] = Knob(
            lambda: float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
            lambda value: optimizer.learning_rate.assign(value),
        )
    if model.run_eagerly or (keras.backend.backend() == "torch" and not model.jit_compile):
        names = {"weight_decay": "weight_decay", "momentum": "momentum", "beta_1": "momentum"}
        for own, name in names.items():
            # Without a momentum there are no velocities, and none can be had later.
            if isinstance(getattr(optimizer, own, None), float) and (own != "momentum" or optimizer.momentum > 0):
                knobs[name] = _attribute([optimizer], own)
        # `_flatten_layers` is how Keras itself finds them all.
        layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
        if layers:
            knobs["dropout"] = _attribute(layers, "rate")
    return knobs


def _attribute(objects: list[Any], name: str) -> Knob:
    def put(value: float) -> None:
        for it in objects:
            setattr(it, name, value)

    return Knob(lambda: float(getattr(objects[0], name)), put)
