"""What a tuner does, with an agent that a test makes, and without."""

import doctest
import math
import warnings

import pytest
from agent import Agent

import trainpilot
from trainpilot._checkpoints import Checkpoints


@pytest.fixture
def serve(monkeypatch):
    agents = []

    def start(hyperparameters, answers, **more):
        agents.append(Agent(hyperparameters, answers, **more))
        monkeypatch.setenv("TRAINPILOT_URL", agents[-1].url)
        return agents[-1]

    yield start
    for agent in agents:
        agent.go_away()


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("TRAINPILOT_URL", raising=False)


def doubled(report):
    return {"learning_rate": 2 * report["hyperparameters"]["learning_rate"]}


def test_the_first_example():
    assert doctest.testmod(trainpilot).failed == 0


def test_without_an_agent_values_stay_and_nothing_ends_unless_it_is_said():
    tuner = trainpilot.connect(learning_rate=0.1, dropout=0.2)
    assert all(tuner.step({"loss": 1.0}) == {"learning_rate": 0.1, "dropout": 0.2} for _ in range(50))
    assert not tuner.done and not tuner.steered and tuner.env_steps is None
    short = trainpilot.connect(learning_rate=0.1, env_steps=2)
    for _ in range(3):
        short.step({"loss": 1.0})
    assert short.done
    with pytest.raises(RuntimeError, match="over"):
        short.step({"loss": 1.0})


def test_reports_carry_metrics_and_values_in_force_and_what_is_not_steered_stays(serve):
    agent = serve({"learning_rate": 0.01}, doubled)
    tuner = trainpilot.connect(learning_rate=0.5, dropout=0.2)
    assert (tuner.env_steps, tuner.seed, tuner.id) == (3, 7, "uid-0-1-0")
    assert tuner.hyperparameters == {"learning_rate": 0.01, "dropout": 0.2}
    assert tuner.step({"loss": 3}) == {"learning_rate": 0.02, "dropout": 0.2}
    tuner.step({"loss": 2}, {"learning_rate": 0.03})
    assert agent.reports == [
        {"step": 0, "metrics": {"loss": 3.0}, "hyperparameters": {"learning_rate": 0.01}},
        {"step": 1, "metrics": {"loss": 2.0}, "hyperparameters": {"learning_rate": 0.03}},
    ]


def test_a_number_that_is_not_finite_ends_the_training(serve):
    agent = serve({"learning_rate": 0.01}, doubled)
    tuner = trainpilot.connect(learning_rate=0.01)
    tuner.step({"loss": math.nan})
    assert tuner.done and agent.reports == [{"step": 0, "diverged": "loss is nan"}]


def test_what_the_script_does_not_name_and_what_the_agent_refuses_is_told(serve):
    serve({"momentum": 0.9}, doubled)
    with pytest.raises(trainpilot.UnknownHyperparameter, match="steers momentum, but the script names learning_rate"):
        trainpilot.connect(learning_rate=0.1)
    serve({"learning_rate": 0.01}, lambda report: 'metric "accuracy" is missing')
    with pytest.raises(trainpilot.Refused, match="accuracy"):
        trainpilot.connect(learning_rate=0.1).step({"loss": 1})


def test_an_agent_that_goes_away_is_missed_once_and_the_training_goes_on(serve):
    agent = serve({"learning_rate": 0.01}, doubled)
    tuner = trainpilot.connect(learning_rate=0.5, patience=0.2)
    tuner.step({"loss": 3})
    agent.go_away()
    with pytest.warns(RuntimeWarning, match="the training goes on unchanged"):
        assert tuner.step({"loss": 2}) == {"learning_rate": 0.02}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tuner.step({"loss": 1}) == {"learning_rate": 0.02}
        tuner.step({"loss": 1})
    assert tuner.done, "after the env steps that the agent had asked for"
    with pytest.raises(trainpilot.Unreachable):
        trainpilot.connect(learning_rate=0.5, patience=0.1)


def test_a_training_goes_on_from_its_checkpoint(serve, tmp_path):
    serve({"learning_rate": 0.01}, doubled)
    tuner = trainpilot.connect(learning_rate=0.5, checkpoints=tmp_path)
    assert not tuner.restore(lambda folder: pytest.fail("there is none"))
    for step in range(3):
        tuner.step({"loss": 3 - step})
        tuner.save(lambda folder, step=step: (folder / "state").write_text(str(step)))
    agent = serve({"learning_rate": 0.01}, doubled, known={0: {}, 1: {"learning_rate": 0.04}})
    read = []
    tuner = trainpilot.connect(learning_rate=0.5, checkpoints=tmp_path)
    assert agent.checkpoints == "1,2", "the last two are kept"
    assert tuner.restore(lambda folder: read.append((folder / "state").read_text()))
    assert (read, tuner.next_step, tuner.hyperparameters) == (["1"], 2, {"learning_rate": 0.04})
    tuner.step({"loss": 1})
    tuner.step({"loss": 1})
    assert tuner.done and list(tmp_path.iterdir()) == [], "checkpoints of a training that ended"


def test_without_an_agent_that_answers_checkpoints_stay_those_that_the_next_attempt_can_go_on_from(serve, tmp_path):
    agent = serve({"learning_rate": 0.01}, doubled)
    tuner = trainpilot.connect(learning_rate=0.5, checkpoints=tmp_path, patience=0.1)
    tuner.step({"loss": 3})
    tuner.save(lambda folder: (folder / "parts" / "deep").mkdir(parents=True))
    agent.go_away()
    with pytest.warns(RuntimeWarning, match="goes on unchanged"):
        tuner.step({"loss": 2})
    for _ in range(2):
        tuner.save(lambda folder: pytest.fail("no agent has answered this step"))
        tuner.step({"loss": 1})
    assert tuner.done and tuner.steered and Checkpoints(tmp_path, tuner.id).steps() == [0]


def test_without_its_checkpoint_nobody_takes_over_in_the_middle(serve):
    agent = serve({"learning_rate": 0.01}, doubled)
    agent.start["nextStep"] = 2
    with pytest.raises(trainpilot.Refused, match="waits for step 2.*can only start at step 0"):
        trainpilot.connect(learning_rate=0.1)


def test_a_disk_that_is_full_costs_the_checkpoint_not_the_training(tmp_path):
    tuner = trainpilot.connect(learning_rate=0.1, checkpoints=tmp_path, seed=3)
    tuner.step({"loss": 1})

    def full(folder):
        raise OSError(28, "No space left on device")

    with pytest.warns(UserWarning, match="no checkpoint after env step 0: .*No space left"):
        tuner.save(full)
    assert Checkpoints(tmp_path, "alone-3").steps() == []
    tuner.step({"loss": 1})
    tuner.save(lambda folder: None)
    assert Checkpoints(tmp_path, "alone-3").steps() == [1]
    assert trainpilot.connect(learning_rate=0.1, checkpoints=tmp_path, seed=3).next_step == 2


def test_what_an_optimizer_does_not_have_is_named_with_what_it_has(serve):
    torch = pytest.importorskip("torch")
    import trainpilot.torch

    serve({"momentum": 0.9, "beta2": 0.99}, doubled)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    sentence = "steers beta2, which SGD does not have; it has learning_rate, momentum, weight_decay"
    with pytest.raises(trainpilot.UnknownHyperparameter, match=sentence):
        trainpilot.torch.connect(optimizer)


def test_groups_of_parameters_keep_their_proportions_and_dropouts_can_have_names(serve):
    torch = pytest.importorskip("torch")
    import trainpilot.torch

    parts = torch.nn.Sequential(torch.nn.Dropout(0.1)), torch.nn.Sequential(torch.nn.Dropout(0.2))
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.Adam([{"params": weights[0], "lr": 0.1}, {"params": weights[1], "lr": 0.01}], betas=(0.9, 0.99))
    serve({"learning_rate": 0.2, "momentum": 0.5, "late": 0.7}, doubled)
    trainpilot.torch.connect(optimizer, dropouts={"early": parts[0], "late": parts[1]})
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.02])
    assert [group["betas"] for group in optimizer.param_groups] == [(0.5, 0.99)] * 2
    assert (parts[0][0].p, parts[1][0].p) == (0.1, 0.7)
