"""Experiments from a notebook: build, check, run here or on a cluster, and look at what came out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM_VARIABLE = "TRAINPILOT_BIN"

# Exit code of the program for an experiment that it would not take.
_BAD_INPUT = 2


class InvalidExperiment(ValueError):
    """The experiment would not be taken; the text names each field, what it is and what was expected."""


class Failed(RuntimeError):
    """A program could not do what it was asked; the text is its own."""


class Experiment:
    """A `TuningExperiment`, and once it was run its results.

    >>> experiment = Experiment(
    ...     "digits",
    ...     trainer=["trainpilot-tasks", "digits"],
    ...     env_steps=20,
    ...     objective="validation_accuracy",
    ...     metrics={"training_loss": [0, 10], "validation_accuracy": {"range": [0, 1], "scale": "Logit"}},
    ...     hyperparameters={"learning_rate": {"initial": 1e-2, "min": 1e-6, "max": 1}},
    ...     algorithm={"ppo": {"epochs": 2, "trajectoriesPerEpoch": 4}},
    ... )
    >>> experiment.resource["spec"]["objective"]
    {'metric': 'validation_accuracy', 'direction': 'Maximize'}

    `trainer` is a command, or a whole pod template with a container named `trainer`; `image` is that of the command, on a
    cluster. `metrics` gives the range of each, or all its fields. `spec` has whatever else `docs/reference.md` lists.
    """

    def __init__(
        self,
        name: str,
        *,
        trainer: Sequence[str] | Mapping[str, Any],
        env_steps: int,
        objective: str,
        metrics: Mapping[str, Sequence[float] | Mapping[str, Any]],
        hyperparameters: Mapping[str, Mapping[str, Any]],
        algorithm: Mapping[str, Any],
        direction: str = "Maximize",
        image: str | None = None,
        trajectory: Mapping[str, Any] | None = None,
        spec: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(trainer, Mapping):
            template = dict(trainer)
        else:
            container = {"name": "trainer", "command": list(trainer), **({"image": image} if image else {})}
            template = {"spec": {"containers": [container]}}
        measured = {name: dict(it) if isinstance(it, Mapping) else {"range": list(it)} for name, it in metrics.items()}
        self.name = name
        self.resource: dict[str, Any] = {
            "apiVersion": "trainpilot.dev/v1alpha1",
            "kind": "TuningExperiment",
            "metadata": {"name": name},
            "spec": {
                "objective": {"metric": objective, "direction": direction},
                "metrics": [{"name": name, **given} for name, given in measured.items()],
                "hyperparameters": [{"name": name, **given} for name, given in hyperparameters.items()],
                "trajectory": {"envSteps": env_steps, **(trajectory or {}), "template": template},
                "algorithm": dict(algorithm),
                **(spec or {}),
            },
        }
        self._folder: Path | None = None
        self._namespace: str | None = None

    @property
    def yaml(self) -> str:
        """The file that `kubectl apply -f` and `trainpilot run` take: JSON, which is YAML too."""
        return json.dumps(self.resource, indent=2)

    def validate(self) -> None:
        """Checks it as a cluster would. Raises InvalidExperiment."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{self.name}.yaml"
            file.write_text(self.yaml)
            checked = subprocess.run([_program("trainpilot"), "validate", file], capture_output=True, text=True)
        if checked.returncode != 0:
            kind = InvalidExperiment if checked.returncode == _BAD_INPUT else Failed
            raise kind((checked.stderr or checked.stdout).strip())

    def run(self, folder: str | Path | None = None, jobs: int | None = None) -> Experiment:
        """Runs it on this machine to its end, in `folder` (runs/NAME), `jobs` trainings at once; goes on with what is there.

        Raises InvalidExperiment, or Failed with what the program said.
        """
        self.validate()
        self._folder = Path(folder or Path("runs") / self.name)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / f"{self.name}.yaml"
            file.write_text(self.yaml)
            more = [] if jobs is None else ["--jobs", str(jobs)]
            _do([_program("trainpilot"), "run", str(file), "--dir", str(self._folder), *more])
        return self

    def apply(self, namespace: str | None = None) -> Experiment:
        """Gives it to the cluster of kubectl's context. Raises InvalidExperiment, or Failed with what kubectl said."""
        self.validate()
        self._folder, self._namespace = None, namespace
        _do([_program("kubectl", None), "apply", *_in(namespace), "-f", "-"], self.yaml)
        return self

    def results(self) -> Any:
        """Every env step of every training as a pandas frame, a row each; of a cluster what is stored there by now.

        Columns: epoch, index, attempt, step, `metric.NAME`, `hyperparameter.NAME`, `applied.NAME`, outcome and so on.
        """
        try:
            import pandas
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError(f"results() needs pandas and pyarrow: pip install pandas pyarrow ({error})") from None
        if self._folder is not None:
            return _frame(pandas, pyarrow.parquet, self._folder)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "run"
            _do([_program("trainpilot"), "cluster", "export", self.name, str(folder), *_in(self._namespace)])
            return _frame(pandas, pyarrow.parquet, folder)

    def plot(self, what: str | None = None) -> Any:
        """Draws `what`, such as `metric.validation_loss` or `hyperparameter.learning_rate` (the objective), over the env
        steps of the final evaluation, a line for each training; gives matplotlib's axes."""
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(f"plot() needs matplotlib: pip install matplotlib ({error})") from None
        what = what or f"metric.{self.resource['spec']['objective']['metric']}"
        rows = self.results()
        if what not in rows:
            drawn = ", ".join(name for name in rows if name.startswith(("metric.", "hyperparameter.")))
            raise LookupError(f"there is no {what}; there are {drawn}")
        _, axes = pyplot.subplots()
        last = rows[(rows["final_evaluation"]) & (rows["outcome"] != "lost")]
        for _, training in last.groupby(["repetition", "index"]):
            axes.plot(training["step"], training[what], color="C0", alpha=0.5)
        axes.set(xlabel="env step", ylabel=what.split(".", 1)[1], title=f"{self.name}: final evaluation")
        return axes


def _frame(pandas: Any, parquet: Any, folder: Path) -> Any:
    segments = sorted(folder.glob("repetition-*/segments/*.parquet"))
    if not segments:
        raise Failed(f"there are no results in {folder} yet: an epoch is stored when all of its trainings have ended")
    return pandas.concat([parquet.read_table(segment).to_pandas() for segment in segments], ignore_index=True)


def _in(namespace: str | None) -> list[str]:
    return [] if namespace is None else ["--namespace", namespace]


def _program(name: str, variable: str | None = PROGRAM_VARIABLE) -> str:
    given = os.environ.get(variable) if variable else None
    found = shutil.which(given or name)
    if found is None:
        hint = f", and {variable} does not name it" if variable else ""
        raise Failed(f"{variable} names {given}, which is no program" if given else f"{name} is not on PATH{hint}")
    return found


def _do(command: list[str], given: str | None = None) -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed((done.stderr or done.stdout).strip())
