import os

from prometheus_client import Gauge, start_http_server

import trainpilot

loss, validation_loss = 8.0, Gauge("eval_loss", "Mean loss of a split", ["split"])
start_http_server(int(os.environ.get("TRAINPILOT_METRICS_PORT", "9100")), addr="127.0.0.1")
tuner = trainpilot.connect(learning_rate=0.01, env_steps=3)
validation_loss.labels("valid").set(loss)
tuner.step()
while not tuner.done:
    loss *= 1 - tuner.hyperparameters["learning_rate"]
    validation_loss.labels("valid").set(loss)
    tuner.step()
print(tuner.hyperparameters)
