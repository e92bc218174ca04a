"""Let trainpilot steer the hyperparameters of a training.

One file, standard library only: copy it beside your script, or install this folder.

>>> import trainpilot
>>> loss = 8.0
>>> with trainpilot.Trajectory(env_steps=3, hyperparameters={"learning_rate": 0.5}) as trajectory:
...     for step, hyperparameters in trajectory:
...         if step > 0:  # step 0 is an evaluation before any training
...             loss *= 1 - hyperparameters["learning_rate"]
...         trajectory.report({"validation_loss": loss})
>>> loss
1.0

An *env step* is a fixed number of your training steps followed by an evaluation. Where TRAINPILOT_URL is set, an agent
answers each report with the next hyperparameters; where it is not, the script runs alone, as above, with the
hyperparameters and the number of env steps that it gave itself.
"""

import http.client
import json
import math
import os
import time
import urllib.request

__all__ = ["Refused", "Trajectory", "Unreachable"]

URL_VARIABLE = "TRAINPILOT_URL"

# Handles plain HTTP only: the agent is on loopback, where proxies and redirects have no business.
_OPENER = urllib.request.OpenerDirector()
_OPENER.add_handler(urllib.request.HTTPHandler())


class Refused(Exception):
    """The agent found a mistake in a request; the text is its own, and says what it expected."""


class Unreachable(Exception):
    """The agent did not answer for as long as we were patient."""


class Trajectory:
    """One training, steered where there is an agent.

    env_steps and hyperparameters hold where there is none; an agent brings its own. `seed` is the seed to train with:
    the agent's, or the one given here. A script that restores a checkpoint says `resumable=True` and begins at
    `trajectory.next_step`; any other is refused a trajectory that an earlier process began.
    `patience` and `timeout` are in seconds: for how long an agent out of reach is asked again, and for how long it
    may take to answer.
    """

    def __init__(self, env_steps, hyperparameters, seed=0, resumable=False, patience=60.0, timeout=30.0):
        self._url = os.environ.get(URL_VARIABLE, "").rstrip("/")
        self._patience, self._timeout = patience, timeout
        start = {"envSteps": env_steps, "hyperparameters": hyperparameters, "seed": seed, "nextStep": 0}
        if self.steered:
            start = self._ask("/v1/trajectory")
        self.env_steps = start["envSteps"]
        self.hyperparameters = dict(start["hyperparameters"])
        self.seed = start["seed"]
        self.next_step = start["nextStep"]
        self.done = False
        if self.next_step > 0 and not resumable:
            raise Refused(
                f"the agent waits for step {self.next_step}, but this trainer keeps no checkpoint"
                " and can only start at step 0"
            )

    @property
    def steered(self):
        """Whether there is an agent."""
        return bool(self._url)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # An error in the training is not a divergence: the agent sees the process end, and another attempt is made.
        self.done = True

    def __iter__(self):
        """Yields each env step's number, from 0, and the hyperparameters to train it with, until the training is over.

        Each is to be reported before the next.
        """
        while not self.done:
            step = self.next_step
            yield step, dict(self.hyperparameters)
            if self.next_step == step and not self.done:
                raise RuntimeError(f"step {step} was not reported; call report() or diverged() once in each step")

    def report(self, metrics, in_force=None):
        """Reports what was measured after the env step; the next hyperparameters are in `self.hyperparameters`.

        `metrics` are numbers, or tensors of one number, by name. `in_force` are the hyperparameter values really used,
        where they are not those that were asked for. A metric that is no finite number is reported as a divergence,
        which ends the training.
        """
        if self.done:
            raise RuntimeError("the training is over")
        metrics = {name: float(value) for name, value in metrics.items()}
        for name, value in metrics.items():
            if not math.isfinite(value):
                return self.diverged(f"{name} is {value}")
        used = {name: float(value) for name, value in (in_force or self.hyperparameters).items()}
        step = self.next_step
        if self.steered:
            answer = self._ask("/v1/steps", {"step": step, "metrics": metrics, "hyperparameters": used})
            self.hyperparameters, self.done = dict(answer["hyperparameters"]), answer["done"]
        self.done = self.done or step >= self.env_steps
        self.next_step = step + 1

    def diverged(self, reason):
        """Ends the training because it came to nothing, e.g. `diverged("loss is NaN")`."""
        if self.steered and not self.done:
            self._ask("/v1/steps", {"step": self.next_step, "diverged": reason})
        self.done = True

    def _ask(self, path, body=None):
        """Asks the agent, again with the same body when the connection breaks: it knows a repeated step."""
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        started, pause = time.monotonic(), 0.02
        while True:
            try:
                with _OPENER.open(request, timeout=self._timeout) as answer:
                    status, text = answer.status, answer.read().decode(errors="replace").strip()
            except (OSError, http.client.HTTPException) as error:
                problem = f"{request.full_url}: {error}"
            else:
                if status < 300:
                    return json.loads(text)
                problem = f"{request.full_url}: status {status}: {text}"
                if status < 500:
                    raise Refused(problem)
            if time.monotonic() - started + pause > self._patience:
                raise Unreachable(problem)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
