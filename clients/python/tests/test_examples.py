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
}
MODULES = {"huggingface": "transformers"}


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
