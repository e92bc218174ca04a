"""PyTorch: finds and sets learning rate, weight decay, momentum and dropout.

tuner = trainpilot.torch.connect(optimizer, model)
tuner.step({"validation_loss": evaluate()})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._knobs import Knob, Knobs
from ._tuner import Tuner


def connect(optimizer: Any, model: Any = None, *, dropouts: Mapping[str, Any] | None = None, **arguments: Any) -> Tuner:
    """Like `trainpilot.connect`, with the values that `optimizer` and `model` have; each answer is put into force there.

    Names: `learning_rate`, `weight_decay`, `momentum` (SGD's, or the first of `betas`), `beta2`; `dropout` for all dropout
    modules of `model`, or those of each module in `dropouts`, by name. Groups of parameters keep the proportions of the
    learning rates and of the weight decays that they began with: one without decay, beside others with, stays so.
    """
    knobs = {**_of_optimizer(optimizer), **_of_modules(dropouts or ({"dropout": model} if model is not None else {}))}
    found = Knobs(type(optimizer).__name__, knobs)
    return Tuner(found.values(), found, **arguments)


def _of_optimizer(optimizer: Any) -> dict[str, Knob]:
    groups: list[dict[str, Any]] = optimizer.param_groups
    first = groups[0]
    # A scheduler that warms up has changed `lr` already, and left what it was.
    rates = [float(group.get("initial_lr", group["lr"])) for group in groups]
    knobs = {"learning_rate": _entry(groups, "lr", rates)}
    if "weight_decay" in first:
        knobs["weight_decay"] = _entry(groups, "weight_decay", [float(group["weight_decay"]) for group in groups])
    if "momentum" in first:
        knobs["momentum"] = _entry(groups, "momentum", [1.0 for _ in groups])
    for place, name in enumerate(("momentum", "beta2")):
        if "betas" in first:
            knobs[name] = _beta(groups, place)
    return knobs


def _entry(groups: list[dict[str, Any]], name: str, began: list[float]) -> Knob:
    """`name` of all groups, in the proportions of `began`; its value is that of the first group that has any."""
    leader = next((place for place, value in enumerate(began) if value), 0)
    shares = [value / began[leader] if began[leader] else 1.0 for value in began]

    def put(value: float) -> None:
        for group, share in zip(groups, shares):
            if hasattr(group[name], "fill_"):  # a tensor, of an optimizer that is compiled or captured
                group[name].fill_(value * share)
            else:
                group[name] = value * share

    return Knob(lambda: float(groups[leader][name]), put)


def _beta(groups: list[dict[str, Any]], place: int) -> Knob:
    def put(value: float) -> None:
        for group in groups:
            betas = list(group["betas"])
            betas[place] = value
            group["betas"] = tuple(betas)

    return Knob(lambda: float(groups[0]["betas"][place]), put)


def _of_modules(named: Mapping[str, Any]) -> dict[str, Knob]:
    from torch.nn.modules.dropout import _DropoutNd

    modules = {name: [part for part in module.modules() if isinstance(part, _DropoutNd)] for name, module in named.items()}
    return {name: _dropout(parts) for name, parts in modules.items() if parts}


def _dropout(parts: list[Any]) -> Knob:
    def put(value: float) -> None:
        for part in parts:
            part.p = value

    return Knob(lambda: float(parts[0].p), put)
