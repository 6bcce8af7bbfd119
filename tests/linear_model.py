"""A linear model, whose training tests replay by hand."""

import keras
import numpy as np

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32)
START = np.zeros((3, 1), np.float32)


def linear_model(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([START])
    model.compile(optimizer, loss="mse")
    return model


def fit(model, *callbacks, **arguments):
    """Full batches, so that an epoch is a step."""
    arguments = {"batch_size": 8, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(X, Y, callbacks=list(callbacks), **arguments).history


def replay(rates, momenta):
    """Gradient descent with momentum, as Keras and the paper define it."""
    weights, velocity = START.astype(np.float64), np.zeros((3, 1))
    for rate, momentum in zip(rates, momenta, strict=True):
        gradient = 2 * X.T @ (X @ weights - Y) / len(X)
        velocity = momentum * velocity - rate * gradient
        weights = weights + velocity
    return weights
