import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy

import trainpilot.keras

x = numpy.random.default_rng(0).normal(size=(64, 4)).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([keras.layers.Dense(16, "relu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.01), "mse")


def evaluate():
    return model.evaluate(x, y, verbose=0, return_dict=True)


callback = trainpilot.keras.Callback({"validation_loss": "loss"}, evaluate)
model.build((None, 4))
model.fit(x, y, epochs=3, verbose=0, callbacks=[callback])
print(callback.tuner.hyperparameters)
