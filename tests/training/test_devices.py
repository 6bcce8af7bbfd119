"""Tests of training on two logical devices, against one device."""

import keras
import numpy as np
import pytest
from told_cases import told_by

BACKEND = keras.backend.backend()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BACKEND == "torch", reason="Keras trains on one device with torch"),
]


@pytest.fixture(scope="module")
def told():
    return told_by("on_two_devices.py")


def difference(case):
    """Largest difference between one and two devices, over losses, metrics and weights."""
    both = zip(*(keras.tree.flatten(case[devices]) for devices in ("one", "two")), strict=True)
    return max(abs(one - two) for one, two in both)


@pytest.mark.parametrize(
    "case", ["contrastive over identities", "classes", "contrastive over pairs"]
)
def test_two_devices_train_as_one_does(told, case):
    assert difference(told[case]) < 1e-5
    first, last = np.ravel(told[case]["two"][0]["loss"])[[0, -1]]
    assert last < first


def test_batch_norm_sees_the_whole_batch_on_jax_and_a_part_of_it_on_tensorflow(told):
    assert (difference(told["batch norm"]) < 1e-5) == (BACKEND == "jax")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX needs equal parts of a batch")
def test_a_loss_over_the_batch_takes_uneven_parts(told):
    # Keras weighs the mean of each part alike, so a smaller part counts more.
    assert 1e-6 < difference(told["uneven last batch"]) < 1e-2
