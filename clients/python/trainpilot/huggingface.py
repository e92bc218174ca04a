"""Hugging Face: a `TrainerCallback`. An env step ends with each evaluation.

args = TrainingArguments(..., eval_strategy="steps", eval_steps=100, eval_on_start=True)
Trainer(model, args, ..., callbacks=[trainpilot.huggingface.Callback({"validation_loss": "eval_loss"})]).train()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from . import torch as _torch
from ._metrics import picked
from ._tuner import Tuner


class Callback(TrainerCallback):
    """Reports at each evaluation, and ends the training when it is over.

    `metrics` names, for each metric of the experiment, the evaluation's own. The first evaluation has to come before any
    training: `eval_on_start=True`. The scheduler of the learning rate is overruled: the value that is steered holds.
    Weight decay is steered where the Trainer applies it, which shows only if `weight_decay` is more than 0 at first.
    `arguments` are those of `trainpilot.connect`.
    """

    def __init__(self, metrics: Mapping[str, str], **arguments: Any) -> None:
        self._names, self._arguments = metrics, arguments
        self.tuner: Tuner | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Finds what can be steered."""
        self.tuner = _torch.connect(_plain(parts["optimizer"]), parts["model"], **self._arguments)
        if self.tuner.steered and not args.eval_on_start:
            raise ValueError("trainpilot needs an evaluation before any training: TrainingArguments(eval_on_start=True)")

    def on_step_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Puts back what the scheduler has changed since the last step."""
        if self.tuner and self.tuner.steered:
            self.tuner.enforce()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **parts: Any) -> None:
        """Reports."""
        if self.tuner is None or self.tuner.done or not self.tuner.steered:
            return
        self.tuner.enforce()
        self.tuner.step(picked(self._names, metrics))
        control.should_training_stop |= self.tuner.done


def _plain(optimizer: Any) -> Any:
    """The optimizer itself, out of what accelerate wraps around it."""
    return getattr(optimizer, "optimizer", optimizer)
