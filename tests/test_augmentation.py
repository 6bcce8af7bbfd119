"""Tests of random changes to training images.

An image whose two channels hold each pixel's x and y tells, once distorted, where every pixel came
from: bilinear interpolation keeps what is linear. So distortions are measured, not compared.
"""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats

from siamese_verify.augmentation import Augmentation, _transform

HEIGHT, WIDTH = 41, 33
CENTRE = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
NONE = {"flip": False, "rotation": 0, "shear": 0, "scale": 0, "shift": 0, "probability": 1}


def measure(augmentation: Augmentation, n: int, seed: tuple[int, int] = (0, 1)) -> tuple:
    """The matrices `(n, 2, 2)` about the centre and the shifts `(n, 2)` that took place."""
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1).astype(np.float32)
    distorted = augmentation(tf.constant(np.broadcast_to(grid, (n, *grid.shape))), seed).numpy()
    # Pixels near the centre, which come from inside the image.
    inside = np.s_[HEIGHT // 2 - 6 : HEIGHT // 2 + 7, WIDTH // 2 - 6 : WIDTH // 2 + 7]
    to = (grid[inside] - CENTRE).reshape(-1, 2)
    design = np.column_stack([to, np.ones(len(to))])
    linear, shifts = [], []
    for source in distorted:
        from_ = (source[inside] - CENTRE).reshape(-1, 2)
        fit, *_ = np.linalg.lstsq(design, from_, rcond=None)
        np.testing.assert_allclose(design @ fit, from_, atol=1e-3)  # It is affine.
        linear.append(np.linalg.inv(fit[:2].T))
        shifts.append(-linear[-1] @ fit[2])
    return np.array(linear), np.array(shifts)


def assert_uniform(amounts: np.ndarray, bound: float):
    assert np.abs(amounts).max() <= bound * (1 + 1e-3)
    assert stats.kstest(amounts, stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.001


def test_rotation_turns_about_the_centre_by_up_to_its_bound():
    linear, shifts = measure(Augmentation(**NONE | {"rotation": 10}), 300)
    np.testing.assert_allclose(
        linear @ linear.transpose(0, 2, 1), np.tile(np.eye(2), (300, 1, 1)), atol=1e-3
    )
    np.testing.assert_allclose(np.linalg.det(linear), 1, atol=1e-3)
    np.testing.assert_allclose(shifts, 0, atol=1e-3)
    assert_uniform(np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0])), 10)


def test_shear_slants_each_axis_on_its_own():
    linear, shifts = measure(Augmentation(**NONE | {"shear": 0.3}), 300)
    np.testing.assert_allclose(linear[:, [0, 1], [0, 1]], 1, atol=1e-3)
    np.testing.assert_allclose(shifts, 0, atol=1e-3)
    assert_uniform(linear[:, 0, 1], 0.3)
    assert_uniform(linear[:, 1, 0], 0.3)
    assert abs(np.corrcoef(linear[:, 0, 1], linear[:, 1, 0])[0, 1]) < 0.2


def test_scale_stretches_each_axis_on_its_own():
    linear, shifts = measure(Augmentation(**NONE | {"scale": 0.2}), 300)
    np.testing.assert_allclose(linear[:, [0, 1], [1, 0]], 0, atol=1e-3)
    np.testing.assert_allclose(shifts, 0, atol=1e-3)
    stretches = linear[:, [0, 1], [0, 1]] - 1
    assert_uniform(stretches[:, 0], 0.2)
    assert_uniform(stretches[:, 1], 0.2)
    assert abs(np.corrcoef(stretches.T)[0, 1]) < 0.2


def test_shift_moves_along_each_axis_on_its_own():
    linear, shifts = measure(Augmentation(**NONE | {"shift": 2}), 300)
    np.testing.assert_allclose(linear, np.tile(np.eye(2), (300, 1, 1)), atol=1e-3)
    assert_uniform(shifts[:, 0], 2)
    assert_uniform(shifts[:, 1], 2)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.2


def test_all_distortions_take_place_together():
    # Whatever the order: the area changes by scale and shear alone, the orientation by the flip.
    linear, shifts = measure(Augmentation(**NONE | {"flip": True, "rotation": 8, "shift": 2}), 100)
    np.testing.assert_allclose(np.linalg.det(linear), -1, atol=1e-3)
    assert np.abs(linear[:, 1, 0]).max() > 0.1
    assert np.abs(shifts).max() > 1.8
    linear, _ = measure(Augmentation(**NONE | {"shear": 0.2, "scale": 0.1}), 100)
    areas = np.linalg.det(linear)
    assert 0.81 * 0.96 - 1e-3 <= areas.min() < 0.95
    assert 1.05 < areas.max() <= 1.21 * 1.04 + 1e-3


IMAGES = np.random.default_rng(0).random((6, 12, 15, 3), np.float32)


def test_a_flip_mirrors_left_and_right_exactly():
    flipped = Augmentation(**NONE | {"flip": True})(IMAGES, (0, 1))
    np.testing.assert_array_equal(flipped, IMAGES[:, :, ::-1])


@pytest.mark.parametrize("shape", [(12, 15), (9, 8), (105, 105), (1, 1)])
def test_nothing_changes_at_probability_0(shape: tuple[int, int]):
    images = np.random.default_rng(1).random((3, *shape, 1), np.float32)
    np.testing.assert_array_equal(Augmentation(probability=0)(images, (0, 1)), images)


@pytest.mark.parametrize("probability", [0.5, 0.2])
@pytest.mark.parametrize(
    "kind",
    [{"flip": True}, {"rotation": 10}, {"shear": 0.3}, {"scale": 0.2}, {"shift": 2}],
    ids=str,
)
def test_each_distortion_takes_place_with_the_probability(kind: dict, probability: float):
    augmentation = Augmentation(**NONE | kind | {"probability": probability})
    images = np.tile(IMAGES[:1], (1000, 1, 1, 1))
    changed = np.any(augmentation(images, (2, 3)).numpy() != images, axis=(1, 2, 3))
    # Of shear, scale and shift there are two, one along each axis.
    two_axes = kind.keys() & {"shear", "scale", "shift"}
    expected = 1 - (1 - probability) ** (2 if two_axes else 1)
    assert changed.mean() == pytest.approx(expected, abs=0.06)  # 4 standard deviations.


def test_distortions_take_place_independently_of_each_other():
    augmentation = Augmentation(**NONE | {"flip": True, "rotation": 10, "probability": 0.5})
    linear, _ = measure(augmentation, 400)
    flipped, turned = np.linalg.det(linear) < 0, np.abs(linear[:, 1, 0]) > 1e-3
    table = [[np.sum((flipped == f) & (turned == t)) for f in (0, 1)] for t in (0, 1)]
    assert np.abs(np.array(table) - 100).max() < 40  # 4.6 standard deviations.


def test_the_amount_does_not_depend_on_whether_a_distortion_takes_place():
    _, shifts = measure(Augmentation(**NONE | {"shift": 2, "probability": 0.5}), 400)
    assert_uniform(shifts[np.abs(shifts) > 1e-4], 2)


@pytest.mark.parametrize(
    ("linear", "shift"),
    [
        ([[1, 0], [0, 1]], [0, 0]),
        ([[1, 0], [0, 1]], [3, 0]),
        ([[1, 0], [0, 1]], [-0.5, 1.25]),
        ([[1.2, 0], [0, 0.8]], [0, 0]),
        ([[1, 0.3], [0, 1]], [0, 0]),
        ([[-1, 0], [0, 1]], [0, 0]),
        ([[math.cos(0.17), -math.sin(0.17)], [math.sin(0.17), math.cos(0.17)]], [0, 0]),
        ([[1.1, 0.2], [-0.15, 0.9]], [1.5, -0.75]),
        ([[0.3, 0.1], [0, 0.4]], [-2, 2]),
    ],
)
@pytest.mark.parametrize("size", [(12, 15), (11, 8)])
def test_a_transform_is_that_of_scipy_to_the_edges(linear: list, shift: list, size: tuple):
    images = np.random.default_rng(2).random((2, *size, 2), np.float32)
    # SciPy counts (row, column) where this counts (x, y), and wants the way back.
    back = np.linalg.inv(linear)[::-1, ::-1]
    centre = (np.array(size) - 1) / 2
    offset = centre - back @ (centre + shift[::-1])
    expected = [
        [
            ndimage.affine_transform(channel, back, offset, order=1, mode="nearest")
            for channel in np.moveaxis(image, -1, 0)
        ]
        for image in images
    ]
    transformed = _transform(
        tf.constant(images),
        tf.constant([linear] * 2, tf.float32),
        tf.constant([shift] * 2, tf.float32),
    )
    np.testing.assert_allclose(transformed, np.moveaxis(expected, 1, -1), atol=1e-5)


def test_a_positive_shift_moves_right_and_down():
    image = np.zeros((1, 5, 5, 1), np.float32)
    image[0, 2, 1] = 1
    moved = _transform(tf.constant(image), tf.eye(2)[None], tf.constant([[2.0, 1.0]])).numpy()
    assert np.argwhere(moved[0, ..., 0]).tolist() == [[3, 3]]


def test_each_image_has_its_own_distortion():
    same = np.tile(IMAGES[:1], (50, 1, 1, 1))
    distorted = Augmentation(probability=1)(same, (0, 1)).numpy()
    assert len({image.tobytes() for image in distorted}) == 50


def test_the_seed_alone_decides():
    augmentation = Augmentation()
    draws = [augmentation(IMAGES, seed).numpy() for seed in [(5, 6), (5, 6), (6, 5), (5, 7)]]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert len({draw.tobytes() for draw in draws}) == 3


def test_the_range_shape_and_type_stay():
    extremes = np.random.default_rng(3).integers(0, 2, (200, 12, 15, 3)).astype(np.float32)
    for images in (extremes, np.ones_like(extremes)):
        distorted = Augmentation(probability=1, rotation=45, shift=5)(images, (0, 1))
        assert distorted.shape == images.shape
        assert distorted.dtype == tf.float32
        assert distorted.numpy().min() >= 0
        assert distorted.numpy().max() <= 1


def test_what_is_beyond_the_edge_repeats_the_edge():
    images = np.full((20, 12, 15, 1), 0.25, np.float32)
    distorted = Augmentation(probability=1, shift=10)(images, (0, 1))
    np.testing.assert_allclose(distorted, 0.25, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, -0.1) for name in ("rotation", "shear", "scale", "shift", "probability")),
        *((name, math.nan) for name in ("rotation", "shear", "scale", "shift", "probability")),
        *((name, math.inf) for name in ("rotation", "shear", "scale", "shift", "probability")),
        *(("shear", 1.0), ("scale", 1.0), ("probability", 1.01)),
    ],
)
def test_arguments_out_of_range_are_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}={value}$"):
        Augmentation(**{name: value})


def test_the_defaults_are_the_papers():
    # Koch et al. 2015, section 3.3: within 10 degrees, 0.3, 0.8 to 1.2, 2 pixels; each at 0.5.
    assert Augmentation() == Augmentation(
        flip=True, rotation=10.0, shear=0.3, scale=0.2, shift=2.0, probability=0.5
    )
