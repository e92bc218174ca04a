"""Where in a training a hyperparameter is found and set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


class UnknownHyperparameter(LookupError):
    """The agent steers something that the training does not have; the text names what it has."""


@dataclass(frozen=True)
class Knob:
    """Reads and sets one hyperparameter."""

    get: Callable[[], float]
    set: Callable[[float], None]


class Knobs:
    """All that can be steered in a training, by name; `of` says what it was found in, for messages."""

    def __init__(self, of: str, knobs: Mapping[str, Knob]) -> None:
        self._of, self._knobs = of, knobs

    def expect(self, names: Mapping[str, float]) -> None:
        """Raises UnknownHyperparameter if one of `names` is not there."""
        for name in names:
            if name not in self._knobs:
                found = ", ".join(sorted(self._knobs)) or "nothing"
                raise UnknownHyperparameter(f"the agent steers {name}, which {self._of} does not have; it has {found}")

    def values(self) -> dict[str, float]:
        """All values in force."""
        return {name: float(knob.get()) for name, knob in self._knobs.items()}

    def set(self, values: Mapping[str, float]) -> None:
        """Puts `values` into force."""
        for name, value in values.items():
            self._knobs[name].set(value)
