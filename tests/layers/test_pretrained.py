"""Tests of loading networks that others have trained."""

import keras
import pytest

import siamese_verify as sv


def test_weights_that_cannot_be_fetched_are_an_os_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    application = keras.applications.MobileNetV3Small

    def fail(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on a\nserver")  # As `keras.utils.get_file` does.

    fail.__module__ = application.__module__
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", fail)
    with pytest.raises(OSError, match=r"cannot be fetched: URL fetch failure.*path of a file"):
        sv.backbone("MobileNetV3Small", image_size=(32, 32))


def test_features_of_another_size_give_no_warning() -> None:
    # Warnings are errors in tests.
    assert sv.backbone("MobileNetV3Small", weights=None, image_size=(32, 48)).output_shape == (
        None,
        576,
    )
