import jax
import jax.numpy as jnp
import optax

import trainpilot.optax

x = jax.random.normal(jax.random.key(0), (64, 4))
weights = jnp.zeros(4)
optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=0.01, weight_decay=1e-4)
state = optimizer.init(weights)


def loss(weights):
    return jnp.mean((x @ weights - x.sum(1)) ** 2)


@jax.jit
def train(weights, state):
    updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
    return optax.apply_updates(weights, updates), state


tuner = trainpilot.connect(env_steps=3, **trainpilot.optax.values(state))
state = trainpilot.optax.updated(state, tuner.step({"validation_loss": loss(weights)}))
while not tuner.done:
    for _ in range(10):
        weights, state = train(weights, state)
    state = trainpilot.optax.updated(state, tuner.step({"validation_loss": loss(weights)}))
print(tuner.hyperparameters)
