"""JAX with optax: the state of `optax.inject_hyperparams`, which holds the values.

optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3, weight_decay=1e-4)
state = optimizer.init(parameters)
tuner = trainpilot.connect(**trainpilot.optax.values(state))
state = trainpilot.optax.updated(state, tuner.step({"validation_loss": evaluate()}))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._knobs import UnknownHyperparameter


def values(state: Any) -> dict[str, float]:
    """The values in force in `state`, wherever in a chain of transformations they are."""
    found: dict[str, float] = {}
    for hyperparameters in _injected(state):
        found.update({name: float(value) for name, value in hyperparameters.items() if getattr(value, "ndim", 0) == 0})
    return found


def updated(state: Any, values: Mapping[str, float]) -> Any:
    """`state` with `values` in force; its arrays keep their types, so that nothing is compiled anew.

    Raises UnknownHyperparameter if one is not there, with the names of those that are.
    """
    for name, value in values.items():
        holders = [hyperparameters for hyperparameters in _injected(state) if name in hyperparameters]
        if not holders:
            found = ", ".join(sorted(name for there in _injected(state) for name in there)) or "nothing"
            raise UnknownHyperparameter(f"{name} is steered, which the state does not have; it has {found}")
        for hyperparameters in holders:
            import jax.numpy as jnp

            hyperparameters[name] = jnp.asarray(value, dtype=hyperparameters[name].dtype)
    return state


def _injected(state: Any) -> list[dict[str, Any]]:
    if hasattr(state, "hyperparams"):
        return [state.hyperparams, *_injected(state.inner_state)]
    if isinstance(state, (tuple, list)):
        return [found for part in state for found in _injected(part)]
    return []
