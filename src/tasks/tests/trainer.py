"""A trainer with the Python client: halves, or whatever the learning rate makes of it, a number in each env step."""

import json
import sys

import trainpilot


def main():
    loss = 8.0
    tuner = trainpilot.connect(env_steps=3, learning_rate=0.5)
    while not tuner.done:
        step, hyperparameters = tuner.next_step, dict(tuner.hyperparameters)
        if step > 0:
            loss = abs(loss * (1 - hyperparameters["learning_rate"]))
        if loss > 1e6:
            loss = float("inf")  # which the client reports as a divergence
        metrics = {"loss": loss, "score": 1 / (1 + loss)}
        tuner.step(metrics, hyperparameters)
        if not tuner.steered:
            print(json.dumps({"step": step, "metrics": metrics, "hyperparameters": hyperparameters}))


try:
    main()
except trainpilot.Refused as error:
    sys.exit(str(error))
