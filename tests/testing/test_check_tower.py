"""Tests of `check_tower`: a tower that breaks a rule is caught, and the message says how."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify.testing import check_tower
from siamese_verify.testing.towers import RULES


def tower(*layers, flat=True):
    first = [keras.layers.Flatten(), keras.layers.Dense(3)] if flat else []
    return keras.Sequential([keras.Input((4, 4, 1)), *first, *layers])


class Layer(keras.layers.Layer):
    """A layer made of one function, which is saved."""

    function = staticmethod(lambda x: x)

    def call(self, x):
        return type(self).function(x)


def layer(function):
    made = type("Made", (Layer,), {"function": staticmethod(function)})
    return keras.saving.register_keras_serializable(package=f"tests{id(made)}")(made)()


@keras.saving.register_keras_serializable(package="tests")
class Counting(keras.layers.Layer):
    def build(self, input_shape):
        self.calls = self.add_weight(name="calls", shape=(), trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        return x


@keras.saving.register_keras_serializable(package="tests")
class Coarse(keras.Model):
    """A tower whose embeddings depend on its precision."""

    def __init__(self, dtype=None, **kwargs):
        inputs = keras.Input((4, 4, 1))
        policy = keras.dtype_policies.get(dtype or "float32")
        x = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
        super().__init__(inputs, x * (1.0 if policy.compute_dtype == "float32" else 2.0), **kwargs)
        self.policy = policy

    def get_config(self):
        return {"dtype": self.policy.name, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def unit(x):
    return x / ops.norm(x, axis=-1, keepdims=True)


BROKEN = [
    (lambda: tower(keras.layers.Conv2D(2, 3), flat=False), "one vector"),
    (lambda: tower(layer(lambda x: x - ops.mean(x, axis=0))), "one vector"),
    (lambda: tower(layer(unit)), "is finite"),
    (lambda: tower(layer(lambda x: 0 * x)), "depends on the image"),
    (lambda: tower(Counting()), "weights stay"),
    (lambda: tower(layer(lambda x: ops.sqrt(x * x))), "finite gradient"),
    (Coarse, "precision"),
    (lambda: tower(type("Unregistered", (Layer,), {})()), "saved tower"),
]


def test_a_tower_of_ones_own_passes():
    made = tower()
    kernel, bias = made.get_weights()
    check_tower(made, lambda images: images.reshape(len(images), -1) @ kernel + bias)


@pytest.mark.parametrize(("make", "rule"), BROKEN, ids=[rule for _, rule in BROKEN])
def test_a_broken_tower_is_caught(make, rule):
    keras.utils.set_random_seed(0)
    with pytest.raises(AssertionError, match=rf"(?s)breaks a rule: [^.]*{rule}.*Input: .*Found: "):
        check_tower(make())


def test_each_rule_has_a_broken_tower():
    assert all(any(rule in sentence for _, rule in BROKEN) for sentence in RULES)


def test_another_embedding_than_the_references_is_caught():
    with pytest.raises(AssertionError, match="equals the reference"):
        check_tower(tower(), lambda images: np.zeros((len(images), 3)))
