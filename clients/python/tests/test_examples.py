"""Each example with the real library: alone, and within a real `trainpilot run`.

The programs are looked for in TRAINPILOT_PROGRAMS, a folder. A library that is not there is passed over, unless
TRAINPILOT_REQUIRE_ALL is set.
"""

import glob
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
REQUIRED = bool(os.environ.get("TRAINPILOT_REQUIRE_ALL"))
EXPERIMENT = """
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {{name: client}}
spec:
  objective: {{metric: validation_loss, direction: Minimize}}
  metrics: [{{name: validation_loss, range: [0, 100]}}]
  hyperparameters: [{steered}]
  trajectory:
    envSteps: 3
    deadlineSeconds: 120
    retries: 0
    template: {{spec: {{containers: [{{name: trainer, command: {command}}}]}}}}
  algorithm: {{random: {{}}}}
  finalEvaluation: {{trajectories: 1}}
"""
KNOBS = {
    "learning_rate": "{name: learning_rate, initial: 0.02, min: 1.0e-6, max: 0.5}",
    "weight_decay": "{name: weight_decay, initial: 1.0e-4, min: 1.0e-6, max: 0.1}",
    "momentum": "{name: momentum, initial: 0.8, min: 0.0, max: 0.99, complement: true}",
    "dropout": "{name: dropout, initial: 0.2, min: 0.01, max: 0.9}",
}
LIBRARIES = {
    "torch": list(KNOBS),
    "keras": ["learning_rate"],
    "huggingface": list(KNOBS),
    "lightning": ["learning_rate", "weight_decay", "momentum"],
    "optax": ["learning_rate", "weight_decay"],
    "prometheus": ["learning_rate"],
}
MODULES = {"huggingface": "transformers", "prometheus": "prometheus_client"}
# The one whose metrics are read from its own page.
SHOWN = {
    "range: [0, 100]": "range: [0, 100], from: {prometheus: 'eval_loss{split=\"valid\"}'}",
    "envSteps: 3": "metricsPage: {port: 9100}\n    envSteps: 3",
}


def needs(library):
    there = importlib.util.find_spec(MODULES.get(library, library)) is not None
    if not there and not REQUIRED:
        pytest.skip(f"{library} is not installed")
    assert there, f"{library} is not installed"


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name != "TRAINPILOT_URL"}
    return {**kept, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", **more}


@pytest.mark.parametrize("library", LIBRARIES)
def test_alone_nothing_is_changed(library):
    needs(library)
    script = HERE / "examples" / f"with_{library}.py"
    output = subprocess.run([sys.executable, script], env=environment(), capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    values = eval(output.stdout.strip().splitlines()[-1])
    assert values["learning_rate"] == pytest.approx(0.01), values


@pytest.mark.parametrize("library", LIBRARIES)
def test_within_a_run_what_is_steered_is_applied(library, tmp_path):
    needs(library)
    programs = os.environ.get("TRAINPILOT_PROGRAMS")
    if programs is None and not REQUIRED:
        pytest.skip("TRAINPILOT_PROGRAMS is not set")
    steered = LIBRARIES[library]
    command = json.dumps([sys.executable, str(HERE / "examples" / f"with_{library}.py")])
    text = EXPERIMENT.format(steered=", ".join(KNOBS[name] for name in steered), command=command)
    for reported, shown in SHOWN.items() if library == "prometheus" else ():
        text = text.replace(reported, shown)
    (tmp_path / "experiment.yaml").write_text(text)
    run = [Path(programs) / "trainpilot", "run", "experiment.yaml", "--dir", "run"]
    output = subprocess.run(run, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    logs = "".join(Path(log).read_text() for log in glob.glob(f"{tmp_path}/run/**/trainer.log", recursive=True))
    assert output.returncode == 0, output.stderr + logs
    [segment] = glob.glob(f"{tmp_path}/run/repetition-0/segments/*.parquet")
    rows = __import__("pyarrow.parquet").parquet.read_table(segment).to_pylist()
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    moved = set()
    for row in rows:
        for name in steered:
            asked, applied = row[f"hyperparameter.{name}"], row[f"applied.{name}"]
            assert applied == pytest.approx(asked, rel=1e-6), (name, row["step"])
            moved |= {name} if row["step"] and asked != rows[0][f"hyperparameter.{name}"] else set()
    assert moved, "nothing was ever moved"


INTERRUPTED = """
import json, os, sys
import trainpilot
tuner = trainpilot.connect(learning_rate=0.5, checkpoints=sys.argv[1])
state = {"loss": 8.0, "attempts": 1}
def read(folder):
    state.update(json.loads((folder / "state").read_text()))
    state["attempts"] += 1
if not tuner.restore(read):
    tuner.step({"validation_loss": state["loss"]})
while not tuner.done:
    state["loss"] *= 1 - tuner.hyperparameters["learning_rate"]
    print(state["attempts"], tuner.next_step, file=open(sys.argv[2], "a"))
    tuner.step({"validation_loss": state["loss"]})
    tuner.save(lambda folder: (folder / "state").write_text(json.dumps(state)))
    if tuner.next_step == 3 and state["attempts"] == 1:
        os._exit(1)
"""


def test_a_training_that_is_interrupted_goes_on_from_its_checkpoint_with_the_values_that_were_answered(tmp_path):
    folder = os.environ.get("TRAINPILOT_PROGRAMS")
    if folder is None and not REQUIRED:
        pytest.skip("TRAINPILOT_PROGRAMS is not set")
    parquet = pytest.importorskip("pyarrow.parquet")
    command = json.dumps([sys.executable, "-c", INTERRUPTED, str(tmp_path / "checkpoints"), str(tmp_path / "trained")])
    text = EXPERIMENT.format(steered=KNOBS["learning_rate"], command=command)
    (tmp_path / "experiment.yaml").write_text(text.replace("retries: 0", "retries: 1").replace("envSteps: 3", "envSteps: 5"))
    run = [Path(folder) / "trainpilot", "run", "experiment.yaml", "--dir", "run"]
    output = subprocess.run(run, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    [segment] = glob.glob(f"{tmp_path}/run/repetition-0/segments/*.parquet")
    rows = sorted(parquet.read_table(segment).to_pylist(), key=lambda row: row["step"])
    assert (tmp_path / "trained").read_text().splitlines() == ["1 1", "1 2", "2 3", "2 4", "2 5"], "attempt and env step"
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5]
    for before, after in zip(rows, rows[1:]):
        expected = before["metric.validation_loss"] * (1 - after["hyperparameter.learning_rate"])
        assert after["metric.validation_loss"] == pytest.approx(expected), after["step"]
    assert list((tmp_path / "checkpoints").iterdir()) == []
