"""Tests of `Koch2015Schedule`, against gradient descent by hand."""

import keras
import numpy as np
import pytest
from eagerly import eager  # noqa: F401
from linear_model import START, fit, linear_model, replay

from siamese_verify import Koch2015Schedule

EPOCHS = 5
RATES = [0.05 * 0.99**epoch for epoch in range(EPOCHS)]
MOMENTA = [0.5, 0.6, 0.7, 0.8, 0.8]  # risen after three epochs


def sgd():
    return keras.optimizers.SGD(0.05, momentum=0.5)


def schedule():
    return Koch2015Schedule(epochs=3, momentum=0.8)


def test_the_rate_falls_by_1_percent_and_momentum_rises_linearly():
    history = fit(linear_model(sgd()), schedule(), epochs=EPOCHS)
    assert history["learning_rate"] == pytest.approx(RATES)
    assert history["momentum"] == pytest.approx(MOMENTA)


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["compiled", "eager"])
def test_training_really_uses_the_scheduled_rate_and_momentum(how):
    model = linear_model(sgd())
    model.compile(model.optimizer, loss="mse", **how)
    fit(model, schedule(), epochs=EPOCHS)
    expected = replay(RATES, MOMENTA)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-4)
    # Anything less would not do.
    assert not np.allclose(expected, replay(RATES, [0.5] * EPOCHS), rtol=1e-2)
    assert not np.allclose(expected, replay([0.05] * EPOCHS, MOMENTA), rtol=1e-3)


def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path):
    model = linear_model(sgd())
    fit(model, schedule(), epochs=2)
    model.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    history = fit(resumed, schedule(), initial_epoch=2, epochs=EPOCHS)
    assert history["learning_rate"] == pytest.approx(RATES[2:])
    assert history["momentum"] == pytest.approx(MOMENTA[2:])
    np.testing.assert_allclose(resumed.get_weights()[0], replay(RATES, MOMENTA), rtol=1e-4)


def test_a_rate_is_scheduled_in_mixed_precision_too():
    # So Keras wraps the optimizer with the policy mixed_float16.
    model = linear_model(keras.optimizers.LossScaleOptimizer(sgd()))
    history = fit(model, schedule(), epochs=EPOCHS)
    assert history["learning_rate"] == pytest.approx(RATES)
    assert history["momentum"] == pytest.approx(MOMENTA)
    np.testing.assert_allclose(model.get_weights()[0], replay(RATES, MOMENTA), rtol=1e-4)


def test_momentum_stays_when_it_has_risen():
    rising = Koch2015Schedule(epochs=4, momentum=0.9, initial_momentum=0.5)
    momenta = [rising.momentum_at(epoch) for epoch in range(7)]
    assert momenta == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9])


@pytest.mark.parametrize(
    ("optimizer", "match"),
    [
        (keras.optimizers.Adam(0.01), r"Received: Adam"),
        (keras.optimizers.SGD(0.01), r"Received: SGD with momentum=0"),
        (keras.optimizers.RMSprop(0.01, momentum=0.5), r"Received: RMSprop"),
        (
            keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9), 0.5),
            r"Received: SGD with .*ExponentialDecay",
        ),
    ],
    ids=["adam", "no momentum", "rmsprop", "scheduled already"],
)
def test_an_optimizer_that_cannot_follow_raises_before_training(optimizer, match):
    model = linear_model(optimizer)
    with pytest.raises(ValueError, match=match):
        fit(model, schedule(), epochs=2)
    np.testing.assert_array_equal(model.get_weights()[0], START)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"momentum": 1.1},
        {"momentum": -0.1},
        {"momentum": 0.0},  # SGD without momentum has no velocity to go on with
        {"initial_momentum": 0.0},
        {"initial_momentum": 1.1},
        {"decay": 0.0},
        {"decay": 1.01},
        {"decay": float("nan")},
    ],
)
def test_a_schedule_out_of_range_raises(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: .*{name}={value}"):
        Koch2015Schedule(**{"epochs": 3, **wrong})
