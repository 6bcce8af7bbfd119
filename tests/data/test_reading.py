"""Tests of one image in the forms that a user has."""

import pytest
from encoded_images import SMALL
from PIL import Image

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.reading import read_image


@pytest.mark.parametrize("mode", ["I", "I;16", "F"])
def test_a_pil_image_of_more_than_8_bits_raises_an_error(mode: str):
    with pytest.raises(ImageError, match=rf"Received: mode {mode}\. Give the file"):
        read_image(Image.new(mode, (6, 4)), SMALL)
