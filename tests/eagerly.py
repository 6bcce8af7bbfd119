"""Small trainings without graphs, which take longer to build than to run."""

import keras


def run_eagerly() -> None:
    """From now on, each model of this process does."""
    keras.Model.run_eagerly = property(lambda self: True, lambda self, value: None)
