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
    """The values in force in `state`, wherever in a chain or a partition of transformations they are.

    One that was injected as a schedule is not among them: the schedule would overwrite what is set.
    """
    found: dict[str, float] = {}
    for injected in _injected(state):
        found.update({name: float(injected.hyperparams[name]) for name in _free(injected)})
    return found


def updated(state: Any, values: Mapping[str, float]) -> Any:
    """`state` with `values` in force; its arrays keep their types, so that nothing is compiled anew.

    Raises UnknownHyperparameter if one is not there, with the names of those that are.
    """
    there = {name for injected in _injected(state) for name in _free(injected)}
    for name in values:
        if name not in there:
            found = ", ".join(sorted(there)) or "nothing"
            raise UnknownHyperparameter(f"{name} is steered, which the state does not have; it has {found}")
    return _with(state, values)


def _free(injected: Any) -> list[str]:
    scheduled = getattr(injected, "hyperparams_states", {})
    numbers = [name for name, value in injected.hyperparams.items() if getattr(value, "ndim", 0) == 0]
    return [name for name in numbers if name not in scheduled]


def _injected(state: Any) -> list[Any]:
    if hasattr(state, "hyperparams"):
        return [state, *_injected(state.inner_state)]
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, (tuple, list)) else ()
    return [found for part in parts for found in _injected(part)]


def _with(state: Any, values: Mapping[str, float]) -> Any:
    def inner(part: Any) -> Any:
        return _with(part, values)

    if hasattr(state, "hyperparams"):
        import jax.numpy as jnp

        mine = {name: value for name, value in values.items() if name in _free(state)}
        arrays = {name: jnp.asarray(value, dtype=state.hyperparams[name].dtype) for name, value in mine.items()}
        return state._replace(hyperparams={**state.hyperparams, **arrays}, inner_state=inner(state.inner_state))
    if isinstance(state, dict):
        return {name: inner(part) for name, part in state.items()}
    if hasattr(state, "_fields"):
        return type(state)(*map(inner, state))
    return type(state)(map(inner, state)) if isinstance(state, (tuple, list)) else state
