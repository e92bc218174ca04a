"""PyTorch Lightning: a callback. An env step ends with each validation.

Trainer(..., num_sanity_val_steps=-1, callbacks=[trainpilot.lightning.Callback({"validation_loss": "val_loss"})])
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from . import torch as _torch
from ._metrics import picked
from ._tuner import Tuner

try:
    from lightning.pytorch import Callback as _Callback
except ImportError:
    from pytorch_lightning import Callback as _Callback

_WHOLE = "trainpilot needs a whole validation before any training: Trainer(num_sanity_val_steps=-1)"


class Callback(_Callback):
    """Reports at each validation, and ends the training when it is over.

    `metrics` names, for each metric of the experiment, what the module logs. The validation before any training is
    Lightning's sanity check, which has to see all batches: `num_sanity_val_steps=-1`. `arguments` are those of
    `trainpilot.connect`.
    """

    def __init__(self, metrics: Mapping[str, str], **arguments: Any) -> None:
        self._names, self._arguments = metrics, arguments
        self.tuner: Tuner | None = None

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        """Finds what can be steered."""
        if len(trainer.optimizers) != 1:
            raise ValueError(f"trainpilot steers one optimizer, the module has {len(trainer.optimizers)}")
        self.tuner = _torch.connect(trainer.optimizers[0], pl_module, **self._arguments)
        if self.tuner.steered and trainer.num_sanity_val_steps != math.inf:
            raise ValueError(_WHOLE)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Sees that there was a validation before."""
        if self.tuner is None:
            raise ValueError(_WHOLE)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Puts back what a scheduler has changed since the last step."""
        if self.tuner and self.tuner.steered:
            self.tuner.enforce()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Reports."""
        if self.tuner is None or self.tuner.done or not self.tuner.steered:
            return
        self.tuner.enforce()
        self.tuner.step(picked(self._names, trainer.callback_metrics))
        trainer.should_stop = trainer.should_stop or self.tuner.done
