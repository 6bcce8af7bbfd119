"""Random changes to training images that leave the identity the same."""

from __future__ import annotations

import dataclasses
import math

from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random flips, affine distortions (Koch et al. 2015), light and erasing (Zhong et al. 2020).

    Each image is changed on its own. Each change happens with `probability`: the flip, the
    rotation, shear, scale and shift along each axis, brightness, contrast and erasing. Its amount
    is uniform between the bounds. Pixels from beyond the edge repeat the edge.

    Erasing comes last. Its sides are drawn, instead of area and aspect ratio as in the paper, so
    that every rectangle fits.

    Args:
        flip: Whether to mirror left and right.
        rotation: Largest angle, in degrees, to either side.
        shear: Largest shear to either side, in pixels per pixel.
        scale: Largest relative change of size, in [0, 1).
        shift: Largest shift to either side, in pixels.
        probability: Probability of each change, in [0, 1].
        brightness: Largest change of all pixels to either side, in [0, 1].
        contrast: Largest relative change of each pixel's distance from the image's mean. The
            factor lies between `1 / (1 + contrast)` and `1 + contrast`, and its logarithm is
            uniform. After brightness and contrast, pixels are clipped to [0, 1].
        erasing: Largest side of the rectangle that uniform noise replaces, as a share of the
            image's side, in [0, 1]. The smallest side is a quarter of it.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> images = tf.zeros((2, 105, 105, 1))
        >>> Augmentation(shift=4.0)(images, seed=(0, 1)).shape
        TensorShape([2, 105, 105, 1])

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, section 3.2 (affine distortions, whose bounds are the defaults here, without flip).
        Zhong, Zheng, Kang, Li, Yang, "Random Erasing Data Augmentation", 2020, algorithm 1.
    """

    flip: bool = True
    rotation: float = 10.0
    shear: float = 0.3
    scale: float = 0.2
    shift: float = 2.0
    probability: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise ValueError(
                f"`flip` must be True or False. Received: flip={shown(repr(self.flip))}"
            )
        for name in (field.name for field in dataclasses.fields(self) if field.name != "flip"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be at least 0. Received: {name}={shown(value)}")
        for name in ("shear", "scale"):
            if getattr(self, name) >= 1:
                raise ValueError(
                    f"`{name}` must be below 1, or the image could collapse to a line. "
                    f"Received: {name}={getattr(self, name)}"
                )
        for name in ("probability", "brightness", "erasing"):
            if getattr(self, name) > 1:
                raise ValueError(
                    f"`{name}` must be at most 1. Received: {name}={getattr(self, name)}"
                )

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Change each image on its own.

        Args:
            images: float32 `(n, height, width, channels)`.
            seed: Two integers. The same seed results in the same changes.

        Returns:
            float32 tensor of the same shape.
        """
        n = tf.shape(images)[0]
        return self.change(images, seed, n, tf.range(n))

    def change(
        self, images: tf.Tensor, seed: tf.Tensor, n: tf.Tensor, places: tf.Tensor
    ) -> tf.Tensor:
        """Change some images of a batch as a call with the whole batch would.

        Args:
            images: float32 `(m, height, width, channels)`.
            seed: Two integers.
            n: Number of images in the whole batch.
            places: int32 `(m,)`, the places of these images in it.
        """
        amount_seed, choice_seed = tf.unstack(tf.random.split(seed, 2))
        happens = tf.random.stateless_uniform((n, 8), choice_seed) < self.probability
        amount = tf.random.stateless_uniform((n, 8), amount_seed, -1.0, 1.0)
        happens, amount = tf.gather(happens, places), tf.gather(amount, places)
        angle, *shears_and_scales, shift_x, shift_y, _ = tf.unstack(
            tf.where(happens, amount, 0.0), axis=1
        )
        linear = self._linear(angle, *shears_and_scales)
        if self.flip:
            linear *= tf.where(happens[:, -1, None, None], [[-1.0], [1.0]], [[1.0], [1.0]])
        images = _transform(images, linear, self.shift * tf.stack([shift_x, shift_y], axis=1))
        if self.brightness or self.contrast or self.erasing:
            # These random numbers come from a seed of their own, so the distortions stay the same.
            images = self._change_pixels(images, tf.random.fold_in(seed, 1), n, places)
        return images

    def _change_pixels(
        self, images: tf.Tensor, seed: tf.Tensor, n: tf.Tensor, places: tf.Tensor
    ) -> tf.Tensor:
        amount_seed, choice_seed, noise_seed = tf.unstack(tf.random.split(seed, 3))
        happens = tf.random.stateless_uniform((n, 3), choice_seed) < self.probability
        amount = tf.random.stateless_uniform((n, 6), amount_seed)
        if self.brightness or self.contrast:
            light = tf.where(happens[:, :2], 2 * amount[:, :2] - 1, 0.0)
            light = tf.gather(light, places)
            images = self._relight(images, *tf.unstack(light[:, :, None, None, None], axis=1))
        if self.erasing:
            side = tf.where(happens[:, 2:], self.erasing * (0.25 + 0.75 * amount[:, 2:4]), 0.0)
            centre = side / 2 + amount[:, 4:] * (1 - side)
            images = _erase(images, side, centre, noise_seed, places)
        return images

    def _relight(self, images: tf.Tensor, brightness: tf.Tensor, contrast: tf.Tensor) -> tf.Tensor:
        """Change each image's light by amounts `(n, 1, 1, 1)` in [-1, 1]."""
        offset = self.brightness * brightness
        if self.contrast:
            factor = (1 + self.contrast) ** contrast
            offset += tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True) * (1 - factor)
            images *= factor
        return tf.clip_by_value(images + offset, 0.0, 1.0)

    def _linear(
        self,
        angle: tf.Tensor,
        shear_x: tf.Tensor,
        shear_y: tf.Tensor,
        scale_x: tf.Tensor,
        scale_y: tf.Tensor,
    ) -> tf.Tensor:
        """Compute matrices `(n, 2, 2)` on (x, y) that scale, shear and rotate by amounts `(n,)`."""
        angle = math.radians(self.rotation) * angle
        scale_x, scale_y = 1 + self.scale * scale_x, 1 + self.scale * scale_y
        shear_x, shear_y = self.shear * shear_x, self.shear * shear_y
        rotate = _matrices(tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle))
        return rotate @ _matrices(scale_x, shear_x * scale_y, shear_y * scale_x, scale_y)


def _matrices(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.stack([a, b], axis=1), tf.stack([c, d], axis=1)], axis=1)


def _transform(images: tf.Tensor, linear: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Apply `linear` about the centre of the image, then `shift`, both on (x, y)."""
    size = tf.shape(images)[1:3]
    centre = tf.cast(size[::-1] - 1, tf.float32) / 2
    # The operation needs the inverse: where each pixel of the result comes from.
    inverse = tf.linalg.inv(linear)
    offset = centre - tf.linalg.matvec(inverse, centre + shift)
    rows = tf.reshape(tf.concat([inverse, offset[:, :, None]], axis=2), (-1, 6))
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.pad(rows, [[0, 0], [0, 2]]),
        output_shape=size,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def _erase(
    images: tf.Tensor, side: tf.Tensor, centre: tf.Tensor, seed: tf.Tensor, places: tf.Tensor
) -> tf.Tensor:
    """Fill a rectangle with noise.

    Side and centre are on (y, x), as shares of the image, of all images of the whole batch.
    """
    rows, columns = (
        tf.abs((tf.range(size, dtype=tf.float32) + 0.5) / size - centre[:, axis, None])
        < side[:, axis, None] / 2
        for axis, size in enumerate(tf.unstack(tf.cast(tf.shape(images)[1:3], tf.float32)))
    )
    # Noise is drawn for these pixels only, since drawing it would cost most of the time.
    pixels = tf.where(rows[:, :, None] & columns[:, None, :])
    noise = tf.random.stateless_uniform((tf.shape(pixels)[0], tf.shape(images)[3]), seed)
    # The row of each image of the batch among `images`, -1 if it is not among them.
    row = tf.tensor_scatter_nd_update(
        tf.fill([tf.shape(side)[0]], -1), places[:, None], tf.range(tf.shape(places)[0])
    )
    row = tf.cast(tf.gather(row, pixels[:, 0]), pixels.dtype)
    own = row >= 0
    pixels = tf.boolean_mask(tf.concat([row[:, None], pixels[:, 1:]], axis=1), own)
    return tf.tensor_scatter_nd_update(images, pixels, tf.boolean_mask(noise, own))
