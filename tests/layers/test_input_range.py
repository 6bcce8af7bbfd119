"""Tests of the range that a pretrained network needs."""

import keras
import numpy as np
import pytest

from siamese_verify import InputRange


def test_each_channel_is_scaled_and_shifted() -> None:
    images = np.random.default_rng(0).random((2, 3, 4, 3))
    scale, offset = [2.0, 3.0, 4.0], [-1.0, 0.0, 1.0]
    ranged = np.asarray(InputRange(scale, offset)(images))
    np.testing.assert_allclose(ranged, images * scale + offset, rtol=1e-5)


def test_blue_comes_first_for_networks_that_need_it() -> None:
    images = np.random.default_rng(0).random((2, 3, 4, 3))
    ranged = np.asarray(InputRange(255.0, is_bgr=True)(images))
    np.testing.assert_allclose(ranged, 255 * images[..., ::-1], rtol=1e-5)


def test_the_layer_comes_back_from_its_configuration() -> None:
    layer = InputRange([1.0, 2.0, 3.0], -1.0, is_bgr=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("name", ["scale", "offset"])
def test_a_range_that_is_not_finite_raises(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be finite"):
        InputRange(**{"scale": 1.0, name: [1.0, np.nan]})
