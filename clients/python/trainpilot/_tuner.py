"""One training, steered where there is an agent."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat

from ._checkpoints import Checkpoints
from ._contract import Agent, Refused, Unreachable
from ._knobs import Knobs, UnknownHyperparameter

URL_VARIABLE = "TRAINPILOT_URL"

# A learner that moves to another machine may not say for minutes what earlier attempts reported; starting over costs more.
_PATIENCE_TO_RESUME = 600.0


def connect(
    *,
    env_steps: int | None = None,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    patience: float = 60.0,
    timeout: float = 30.0,
    **hyperparameters: float,
) -> Tuner:
    """Connects to the agent that TRAINPILOT_URL names, if there is one.

    `hyperparameters` are the values that hold where nobody steers them; the agent may steer these and no other.
    `env_steps` and `seed` hold without an agent, which brings its own. `checkpoints` is a folder, for `Tuner.save` and
    `Tuner.restore`; many trainings may share it. `patience` and `timeout` are in seconds: for how long an agent out of
    reach is asked again, and for how long it may take to answer.

    Raises Unreachable without an answer, and UnknownHyperparameter if the agent steers what the script does not name.
    """
    return Tuner(hyperparameters, None, env_steps, seed, checkpoints, patience, timeout)


class Tuner:
    """Reports what a training measures and tells it the hyperparameters to go on with."""

    #: Values in force now.
    hyperparameters: dict[str, float]
    #: Number of the report that is due: env steps trained by then.
    next_step: int
    #: Env steps of the training; None if nobody says.
    env_steps: int | None
    #: Seed to train with.
    seed: int
    #: Whether the training is over.
    done: bool
    #: Whether there is an agent, or was until it went away.
    steered: bool
    #: The same for all attempts at a training, and for no other one.
    id: str

    def __init__(
        self,
        hyperparameters: Mapping[str, float],
        knobs: Knobs | None,
        env_steps: int | None = None,
        seed: int = 0,
        checkpoints: str | Path | None = None,
        patience: float = 60.0,
        timeout: float = 30.0,
    ) -> None:
        url = os.environ.get(URL_VARIABLE, "").rstrip("/")
        self._agent = Agent(url, timeout) if url else None
        self.steered = self._agent is not None
        self._knobs, self._patience = knobs, patience
        self._checkpoints: Checkpoints | None = None
        self.hyperparameters = {name: float(value) for name, value in hyperparameters.items()}
        self._steered: list[str] = []
        self.env_steps, self.seed, self.next_step, self.done, self.id = env_steps, seed, 0, False, f"alone-{seed}"
        start = self._agent.get("/v1/trajectory", patience) if self._agent else None
        if start:
            self.id = start["id"]
        if checkpoints is not None:
            self._checkpoints = Checkpoints(Path(checkpoints), self.id)
            steps = self._checkpoints.steps()
            if self._agent:
                there = ",".join(map(str, steps))
                start = self._agent.get(f"/v1/trajectory?checkpoints={there}", max(patience, _PATIENCE_TO_RESUME))
            elif steps:
                self.next_step = steps[-1] + 1
        if start:
            self._begin(start)

    def step(
        self, metrics: Mapping[str, SupportsFloat] | None = None, in_force: Mapping[str, SupportsFloat] | None = None
    ) -> dict[str, float]:
        """Reports what was measured after an env step, the first time before any training; gives the next values.

        `metrics` are numbers, or tensors of one number, by name: all that the experiment does not read from a page of
        yours (`metrics[].from`). `in_force` are values really used, where they are not
        those that were asked for. A metric that is no finite number is reported as a divergence, which ends the training.
        An agent that goes away is waited for once; without it the training goes on unchanged.
        """
        if self.done:
            raise RuntimeError("the training is over")
        measured = {name: float(value) for name, value in (metrics or {}).items()}
        for name, value in measured.items():
            if not math.isfinite(value):
                self.diverged(f"{name} is {value}")
                return dict(self.hyperparameters)
        values = self._knobs.values() if self._knobs else self.hyperparameters
        used = {name: float((in_force or values).get(name, values[name])) for name in self._steered}
        answer = self._report({"step": self.next_step, "metrics": measured, "hyperparameters": used})
        if answer:
            self._set(answer["hyperparameters"])
        over = self.env_steps is not None and self.next_step >= self.env_steps
        self.next_step += 1
        if over or (answer and answer["done"]):
            self._end()
        return dict(self.hyperparameters)

    def enforce(self) -> None:
        """Sets again, in what the values were found in, those that are steered: something else may have changed them."""
        if self._knobs:
            self._knobs.set({name: self.hyperparameters[name] for name in self._steered})

    def diverged(self, reason: str) -> None:
        """Ends the training because it came to nothing, e.g. `diverged("loss is NaN")`."""
        if not self.done:
            self._report({"step": self.next_step, "diverged": reason})
            self._end()

    def restore(self, read: Callable[[Path], object]) -> bool:
        """Lets `read` load the checkpoint to go on from, a folder; gives whether there is one.

        The report that is due then is `next_step`: train an env step before it.
        """
        if self._checkpoints is None or self.next_step == 0:
            return False
        read(self._checkpoints.path(self.next_step - 1))
        return True

    def save(self, write: Callable[[Path], object]) -> None:
        """Lets `write` put all that is needed to go on into a folder; to be called after each `step`.

        Does nothing without a folder for checkpoints, nor after the agent has gone away: the next attempt can only go on
        from a step that was answered. A disk that is full costs the checkpoint, not the training.
        """
        if self._checkpoints is None or self.done or self.next_step == 0 or self._deserted:
            return
        try:
            self._checkpoints.save(self.next_step - 1, write)
        except OSError as error:
            warnings.warn(f"no checkpoint after env step {self.next_step - 1}: {error}", stacklevel=2)

    def _begin(self, start: dict[str, Any]) -> None:
        steered: dict[str, float] = start["hyperparameters"]
        if self._knobs:
            self._knobs.expect(steered)
        for name in steered:
            if name not in self.hyperparameters:
                named = ", ".join(self.hyperparameters) or "nothing"
                raise UnknownHyperparameter(f"the agent steers {name}, but the script names {named}")
        self._steered = list(steered)
        self.env_steps, self.seed, self.next_step = start["envSteps"], start["seed"], start["nextStep"]
        there = self._checkpoints.steps() if self._checkpoints else []
        if self.next_step > 0 and self.next_step - 1 not in there:
            raise Refused(
                f"the agent waits for step {self.next_step}, but this trainer has no checkpoint of the one before"
                " and can only start at step 0"
            )
        self._set(steered)

    def _set(self, values: Mapping[str, float]) -> None:
        self.hyperparameters.update(values)
        if self._knobs:
            self._knobs.set(values)

    def _report(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if self._agent is None:
            return None
        try:
            return self._agent.post("/v1/steps", body, self._patience)
        except Unreachable as error:
            self._agent = None
            warnings.warn(f"the agent is gone, the training goes on unchanged: {error}", RuntimeWarning, stacklevel=3)
            return None

    @property
    def _deserted(self) -> bool:
        return self.steered and self._agent is None

    def _end(self) -> None:
        self.done = True
        if self._checkpoints and not self._deserted:
            self._checkpoints.clear()
