"""From a notebook: an experiment is built, checked, run and looked at."""

import doctest
import os
import shutil
import stat

import pytest

import trainpilot
from trainpilot import _experiment


@pytest.fixture
def programs(monkeypatch):
    folder = os.environ.get("TRAINPILOT_PROGRAMS")
    if folder is None and "TRAINPILOT_REQUIRE_ALL" not in os.environ:
        pytest.skip("TRAINPILOT_PROGRAMS is not set")
    monkeypatch.setenv("TRAINPILOT_BIN", f"{folder}/trainpilot")


def curves(**changes):
    given = {
        "trainer": ["trainpilot-tasks", "curves"],
        "env_steps": 5,
        "objective": "score",
        "metrics": {"loss": {"range": [0, 10], "scale": "Log"}, "score": [0, 1]},
        "hyperparameters": {"learning_rate": {"initial": 0.01, "min": 1e-4, "max": 1}},
        "algorithm": {"random": {}},
        "spec": {"finalEvaluation": {"trajectories": 3}},
    }
    return trainpilot.Experiment("curves", **{**given, **changes})


def test_the_example():
    assert doctest.testmod(_experiment).failed == 0


def test_a_run_gives_a_frame_and_a_picture(programs, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    experiment = curves().run(jobs=2)
    rows = experiment.results()
    assert len(rows) == 3 * 6 and set(rows["outcome"]) == {"completed"}
    assert rows["metric.score"].between(0, 1).all() and (tmp_path / "runs" / "curves").is_dir()
    axes = experiment.plot("hyperparameter.learning_rate")
    assert len(axes.lines) == 3 and axes.get_ylabel() == "learning_rate"
    assert list(axes.lines[0].get_xdata()) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(LookupError, match="there is no metric.accuracy; there are metric.loss, metric.score, hyper"):
        experiment.plot("metric.accuracy")


def test_what_is_wrong_is_told_before_anything_runs(programs, tmp_path):
    wrong = {"learning_rate": {"initial": 2, "min": 1e-4, "max": 1}}
    with pytest.raises(trainpilot.InvalidExperiment, match="initial"):
        curves(hyperparameters=wrong).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_trainer_that_fails_and_a_program_that_is_missing_are_told(programs, tmp_path, monkeypatch):
    with pytest.raises(trainpilot.Failed, match="nonsense"):
        curves(trainer=["nonsense-that-is-nowhere"]).run(tmp_path / "run")
    monkeypatch.delenv("TRAINPILOT_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(trainpilot.Failed, match="trainpilot is not on PATH, and TRAINPILOT_BIN does not name it"):
        curves().validate()
    monkeypatch.setenv("TRAINPILOT_BIN", str(tmp_path / "nowhere"))
    with pytest.raises(trainpilot.Failed, match="TRAINPILOT_BIN names .*nowhere, which is no program"):
        curves().validate()


def test_kubectl_gets_what_was_checked(programs, tmp_path, monkeypatch):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n{shutil.which("cat")} > {tmp_path}/given\n')
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    experiment = curves(image="localhost/trainpilot-tasks:0.1.0").apply("research")
    assert (tmp_path / "arguments").read_text().split() == ["apply", "--namespace", "research", "-f", "-"]
    assert (tmp_path / "given").read_text() == experiment.yaml
