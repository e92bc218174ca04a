"""What the helpers do with the real libraries: which values a training really uses, and what becomes of odd ones."""

import os
import subprocess
import sys

import pytest
from agent import Agent

import trainpilot

os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.fixture
def serve(monkeypatch):
    """Starts an agent that has one value for the first env step, and another one from then on."""
    agents = []

    def start(values, later=None, **more):
        agents.append(Agent(values, lambda report: later or values, **more))
        monkeypatch.setenv("TRAINPILOT_URL", agents[-1].url)
        return agents[-1]

    yield start
    for agent in agents:
        agent.go_away()


def test_torch_groups_without_weight_decay_stay_without_and_warm_up_hides_no_proportions(serve):
    torch = pytest.importorskip("torch")
    import trainpilot.torch

    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    groups = [
        {"params": weights[0], "lr": 0.1, "weight_decay": 0.0},
        {"params": weights[1], "lr": 0.01, "weight_decay": 0.5},
    ]
    optimizer = torch.optim.SGD(groups)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    serve({"learning_rate": 0.2, "weight_decay": 0.25})
    trainpilot.torch.connect(optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.02])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0, 0.25]


def test_torch_keeps_a_learning_rate_that_is_a_tensor(serve):
    torch = pytest.importorskip("torch")
    import trainpilot.torch

    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=rate)
    serve({"learning_rate": 0.25})
    trainpilot.torch.connect(optimizer)
    assert optimizer.param_groups[0]["lr"] is rate and rate == 0.25


def bert(torch, transformers, folder, callbacks, **arguments):
    size = dict(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    model = transformers.BertForSequenceClassification(transformers.BertConfig(**size))
    data = [{"input_ids": torch.randint(0, 8, (4,)), "labels": torch.tensor(n % 2)} for n in range(8)]
    told = dict(eval_strategy="steps", eval_steps=2, save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True)
    given = transformers.TrainingArguments(folder, **told, max_steps=8, learning_rate=0.01, **arguments)
    return transformers.Trainer(model, given, train_dataset=data, eval_dataset=data, callbacks=callbacks)


def test_huggingface_goes_on_unchanged_without_its_agent_whatever_the_scheduler_does(serve, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    import trainpilot.huggingface

    agent = serve({"learning_rate": 0.003}, {"learning_rate": 0.004}, env_steps=2)
    used = []

    class Look(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, optimizer=None, **parts):
            used.append(optimizer.param_groups[0]["lr"])
            if state.global_step == 1:
                agent.go_away()

    callback = trainpilot.huggingface.Callback({"loss": "eval_loss"}, patience=0.1)
    with pytest.warns(RuntimeWarning, match="the agent is gone"):
        bert(torch, transformers, tmp_path, [callback, Look()], eval_on_start=True).train()
    assert used == [0.004] * 4, "two env steps of two training steps, as the agent had asked for"
    assert callback.tuner.done


def test_huggingface_says_what_is_missing(serve, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    import trainpilot.huggingface

    serve({"learning_rate": 0.003})
    callback = trainpilot.huggingface.Callback({"accuracy": "eval_accuracy"})
    with pytest.raises(ValueError, match="eval_on_start=True"):
        bert(torch, transformers, tmp_path, [callback]).train()
    with pytest.raises(LookupError, match="eval_accuracy was not measured; there are .*eval_loss"):
        bert(torch, transformers, tmp_path, [callback], eval_on_start=True).train()


def test_lightning_wants_a_whole_validation_and_overrules_the_scheduler_also_without_its_agent(serve):
    torch, lightning = pytest.importorskip("torch"), pytest.importorskip("lightning")
    import trainpilot.lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.used = torch.nn.Linear(4, 1), []

        def training_step(self, batch):
            self.used.append(self.optimizers().param_groups[0]["lr"])
            return self.model(batch).square().mean()

        def validation_step(self, batch):
            self.log("val_loss", self.model(batch).square().mean())

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    class Look(lightning.Callback):
        def on_train_start(self, trainer, pl_module):
            agent.go_away()

    def fit(metrics, callbacks=(), **arguments):
        data, module = torch.utils.data.DataLoader(torch.randn(8, 4), batch_size=4), Module()
        callback = trainpilot.lightning.Callback(metrics, patience=0.1)
        off = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        told = dict(max_epochs=4, accelerator="cpu", callbacks=[callback, *callbacks], **off)
        lightning.Trainer(**told, **arguments).fit(module, data, data)
        return module.used

    agent = serve({"learning_rate": 0.003}, {"learning_rate": 0.004}, env_steps=2)
    with pytest.raises(ValueError, match="num_sanity_val_steps=-1"):
        fit({"loss": "val_loss"})
    with pytest.raises(LookupError, match="accuracy was not measured; there are val_loss"):
        fit({"accuracy": "accuracy"}, num_sanity_val_steps=-1)
    with pytest.warns(RuntimeWarning, match="the agent is gone"):
        assert fit({"loss": "val_loss"}, [Look()], num_sanity_val_steps=-1) == [0.004] * 4


def test_keras_trains_with_the_learning_rate_that_it_is_told(serve):
    keras = pytest.importorskip("keras")
    import trainpilot.keras

    def losses(later):
        agent = serve({"learning_rate": 0.1}, {"learning_rate": later})
        keras.utils.set_random_seed(0)
        x = keras.random.normal((32, 4), seed=1)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.build((None, 4))

        def evaluate():
            return model.evaluate(x, x[:, :1], verbose=0, return_dict=True)

        model.fit(x, x[:, :1], epochs=9, verbose=0, callbacks=[trainpilot.keras.Callback({"loss": "loss"}, evaluate)])
        return [report["metrics"]["loss"] for report in agent.reports]

    still, moved = losses(0.0), losses(0.1)
    assert len(still) == len(moved) == 4, "it ends when the agent says so"
    assert len(set(still)) == 1 and moved[-1] < 0.5 * moved[0]


KERAS_ON_TORCH = """
import keras, trainpilot, trainpilot.keras
x = keras.random.normal((32, 4))
def fit(momentum):
    model = keras.Sequential([keras.layers.Dropout(0.1), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=momentum, weight_decay=1e-3), "mse")
    model.build((None, 4))
    evaluate = lambda: model.evaluate(x, x[:, :1], verbose=0, return_dict=True)
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[trainpilot.keras.Callback({"loss": "loss"}, evaluate)])
    return model
model = fit(0.9)
print(model.optimizer.momentum, model.optimizer.weight_decay, model.layers[0].rate)
try:
    fit(0.0)  # which has no velocities
except trainpilot.UnknownHyperparameter as error:
    print(error)
"""


def test_keras_on_torch_has_more_to_steer(serve):
    pytest.importorskip("keras")
    pytest.importorskip("torch")
    agent = serve(
        {"momentum": 0.5, "dropout": 0.3, "weight_decay": 0.1}, {"momentum": 0.4, "dropout": 0.2, "weight_decay": 0.2}
    )
    told = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": os.path.dirname(os.path.dirname(trainpilot.__file__))}
    output = subprocess.run([sys.executable, "-c", KERAS_ON_TORCH], env=told, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    values, refusal = output.stdout.splitlines()
    assert values == "0.4 0.2 0.2"
    assert agent.reports[0]["hyperparameters"] == {"momentum": 0.5, "dropout": 0.3, "weight_decay": 0.1}
    assert "steers momentum, which SGD does not have; it has dropout, learning_rate, weight_decay" in refusal


def test_optax_gives_a_new_state_finds_partitions_and_leaves_schedules_alone():
    optax = pytest.importorskip("optax")
    import jax.numpy as jnp

    import trainpilot.optax

    weights = {"first": jnp.zeros(2), "second": jnp.zeros(2)}
    injected = optax.inject_hyperparams(optax.sgd)
    parts = {
        "a": injected(learning_rate=0.5),
        "b": injected(learning_rate=optax.linear_schedule(1.0, 0.0, 10), momentum=0.5),
    }
    optimizer = optax.chain(optax.clip(1.0), optax.multi_transform(parts, {"first": "a", "second": "b"}))
    before = optimizer.init(weights)
    assert trainpilot.optax.values(before) == {"learning_rate": 0.5, "momentum": 0.5}
    after = trainpilot.optax.updated(before, {"learning_rate": 0.25})
    assert trainpilot.optax.values(before)["learning_rate"] == 0.5, "a state is a value"
    ones = {"first": jnp.ones(2), "second": jnp.ones(2)}
    updates, _ = optimizer.update(ones, after, weights)
    assert [float(updates[name][0]) for name in ("first", "second")] == [-0.25, -1.0]
    with pytest.raises(trainpilot.UnknownHyperparameter, match="beta is steered, .* it has learning_rate, momentum"):
        trainpilot.optax.updated(before, {"beta": 0.1})
