"""Random changes to training images that leave the person the same."""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Horizontal flip and the affine distortions of Koch et al. 2015.

    For each image on its own, each of flip, rotation, shear and scale and shift along each axis
    takes place with `probability`; its amount is uniform between the bounds. Pixels from beyond
    the edge repeat the edge.

    Args:
        flip: Whether to mirror left and right.
        rotation: Largest angle, in degrees, to either side.
        shear: Largest shear to either side, in pixels per pixel.
        scale: Largest relative change of size, in [0, 1).
        shift: Largest shift to either side, in pixels.
        probability: Of each distortion, in [0, 1].

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> images = tf.zeros((2, 105, 105, 1))
        >>> Augmentation(shift=4.0)(images, seed=(0, 1)).shape
        TensorShape([2, 105, 105, 1])

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, section 3.3 (affine distortions; the bounds are the defaults here).
    """

    flip: bool = True
    rotation: float = 10.0
    shear: float = 0.3
    scale: float = 0.2
    shift: float = 2.0
    probability: float = 0.5

    def __post_init__(self) -> None:
        for name in ("rotation", "shear", "scale", "shift", "probability"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be at least 0. Received: {name}={value}")
        for name in ("shear", "scale"):
            if getattr(self, name) >= 1:
                raise ValueError(
                    f"`{name}` must be below 1, or the image could collapse to a line. "
                    f"Received: {name}={getattr(self, name)}"
                )
        if self.probability > 1:
            raise ValueError(
                f"`probability` must be at most 1. Received: probability={self.probability}"
            )

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Changes each image on its own.

        Args:
            images: float32 `(n, height, width, channels)`.
            seed: Two integers; the same seed gives the same changes.

        Returns:
            float32 tensor of the same shape.
        """
        amount_seed, choice_seed = tf.unstack(tf.random.split(seed, 2))
        shape = (tf.shape(images)[0], 8)
        happens = tf.random.stateless_uniform(shape, choice_seed) < self.probability
        amount = tf.random.stateless_uniform(shape, amount_seed, -1.0, 1.0)
        angle, *shears_and_scales, shift_x, shift_y, _ = tf.unstack(
            tf.where(happens, amount, 0.0), axis=1
        )
        linear = self._linear(angle, *shears_and_scales)
        if self.flip:
            linear *= tf.where(happens[:, -1, None, None], [[-1.0], [1.0]], [[1.0], [1.0]])
        return _transform(images, linear, self.shift * tf.stack([shift_x, shift_y], axis=1))

    def _linear(
        self,
        angle: tf.Tensor,
        shear_x: tf.Tensor,
        shear_y: tf.Tensor,
        scale_x: tf.Tensor,
        scale_y: tf.Tensor,
    ) -> tf.Tensor:
        """The matrices `(n, 2, 2)`, on (x, y), for amounts in [-1, 1]: scale, shear, rotate."""
        angle = math.radians(self.rotation) * angle
        scale_x, scale_y = 1 + self.scale * scale_x, 1 + self.scale * scale_y
        shear_x, shear_y = self.shear * shear_x, self.shear * shear_y
        rotate = _matrices(tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle))
        return rotate @ _matrices(scale_x, shear_x * scale_y, shear_y * scale_x, scale_y)


def _matrices(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.stack([a, b], axis=1), tf.stack([c, d], axis=1)], axis=1)


def _transform(images: tf.Tensor, linear: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Applies `linear` about the centre of the image, then `shift`, both on (x, y)."""
    size = tf.shape(images)[1:3]
    centre = tf.cast(size[::-1] - 1, tf.float32) / 2
    # The operation asks where each pixel of the result comes from: the inverse.
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
