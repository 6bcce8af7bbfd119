"""Losses, metrics, callbacks and optimizers for `compile` and `fit`."""
