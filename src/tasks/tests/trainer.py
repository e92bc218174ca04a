"""A trainer with the Python client: halves, or whatever the learning rate makes of it, a number in each env step."""

import json
import sys

import trainpilot


def main():
    loss = 8.0
    with trainpilot.Trajectory(env_steps=3, hyperparameters={"learning_rate": 0.5}) as trajectory:
        for step, hyperparameters in trajectory:
            if step > 0:
                loss = abs(loss * (1 - hyperparameters["learning_rate"]))
            if loss > 1e6:
                loss = float("inf")  # which the client reports as a divergence
            metrics = {"loss": loss, "score": 1 / (1 + loss)}
            trajectory.report(metrics, hyperparameters)
            if not trajectory.steered:
                print(json.dumps({"step": step, "metrics": metrics, "hyperparameters": hyperparameters}))


try:
    main()
except trainpilot.Refused as error:
    sys.exit(str(error))
