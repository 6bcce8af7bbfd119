"""Tests of random changes to training images.

An image whose two channels hold each pixel's x and y tells, once distorted, where every pixel came
from: bilinear interpolation keeps what is linear. So distortions are measured, not compared.
"""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats

from siamese_verify.data.augmentation import Augmentation, _transform

HEIGHT, WIDTH = 41, 33
CENTRE = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
NONE = {"flip": False, "rotation": 0, "shear": 0, "scale": 0, "shift": 0, "probability": 1}
AMOUNTS = [f.name for f in dataclasses.fields(Augmentation) if f.name != "flip"]


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
    [
        {"flip": True},
        {"rotation": 10},
        {"shear": 0.3},
        {"scale": 0.2},
        {"shift": 2},
        {"brightness": 0.2},
        {"contrast": 0.5},
        {"erasing": 0.5},
    ],
    ids=str,
)
def test_each_distortion_takes_place_with_the_probability(kind: dict, probability: float):
    augmentation = Augmentation(**NONE | kind | {"probability": probability})
    images = np.tile(IMAGES[:1], (1000, 1, 1, 1))
    changed = np.any(augmentation(images, (2, 3)).numpy() != images, axis=(1, 2, 3))
    # Shear, scale and shift are drawn twice, once along each axis.
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
def test_a_transform_equals_scipys_to_the_edges(linear: list, shift: list, size: tuple):
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


@pytest.mark.parametrize("more", [{}, {"brightness": 0.2, "contrast": 0.5, "erasing": 0.5}])
def test_the_seed_alone_decides(more: dict):
    augmentation = Augmentation(**more)
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
        *((name, value) for name in AMOUNTS for value in (-0.1, math.nan, math.inf)),
        *(("shear", 1.0), ("scale", 1.0), ("flip", 0.5)),
        *((name, 1.01) for name in ("probability", "brightness", "erasing")),
    ],
)
def test_arguments_out_of_range_raise_an_error(name: str, value: float):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}={value}$"):
        Augmentation(**{name: value})


def test_the_defaults_are_the_papers():
    # Koch et al. (2015), section 3.3: within 10 degrees, 0.3, 0.8 to 1.2 and 2 pixels, each with
    # probability 0.5.
    assert Augmentation() == Augmentation(
        flip=True, rotation=10.0, shear=0.3, scale=0.2, shift=2.0, probability=0.5
    )
    assert Augmentation() == Augmentation(brightness=0, contrast=0, erasing=0)


# --- Light and erasing


def relight(images: np.ndarray, **amounts: float) -> np.ndarray:
    return Augmentation(**NONE | amounts)(images, (0, 1)).numpy()


def erase(erasing: float, n: int, size: tuple[int, int] = (100, 80)) -> list[tuple]:
    """Where each image was erased, as two slices, and with what."""
    images = np.full((n, *size, 2), -1, np.float32)
    erased = Augmentation(**NONE | {"erasing": erasing})(images, (0, 1)).numpy()
    found = []
    for image in erased:
        rows, columns = (np.flatnonzero((image >= 0).any((1 - axis, 2))) for axis in (0, 1))
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        found.append((*place, image[place]))
        assert np.sum(image >= 0) == image[place].size  # It is a rectangle, in all channels.
    return found


def test_what_earlier_versions_gave_for_a_seed_stays():
    images = np.arange(48, dtype=np.float32).reshape(2, 4, 6, 1) / 48
    # Computed by the version that knew neither light nor erasing.
    expected = [
        [0.170961, 0.128533, 0.077566, 0.039959, 0.01571, 0.0],
        [0.295961, 0.253533, 0.202566, 0.1516, 0.100634, 0.058206],
        [0.420961, 0.378533, 0.327566, 0.2766, 0.225634, 0.183206],
        [0.479167, 0.463456, 0.439208, 0.4016, 0.350634, 0.308206],
        [0.526356, 0.547189, 0.568022, 0.588856, 0.609689, 0.630522],
        [0.633785, 0.654618, 0.675452, 0.696285, 0.717119, 0.737952],
        [0.741215, 0.762048, 0.782881, 0.803715, 0.824548, 0.845382],
        [0.848644, 0.869478, 0.890311, 0.911144, 0.931978, 0.952811],
    ]
    distorted = Augmentation()(images, (5, 6)).numpy()
    np.testing.assert_allclose(distorted.reshape(8, 6), expected, atol=2e-6)


def test_light_and_erasing_leave_the_distortions_as_they_are():
    images = np.random.default_rng(4).random((100, *IMAGES.shape[1:]), np.float32)
    plain = Augmentation()(images, (0, 1)).numpy()
    erased = Augmentation(erasing=0.3)(images, (0, 1)).numpy()
    assert 0 < np.mean(erased != plain) < 0.3**2 / 2
    bright = Augmentation(brightness=1e-4)(images, (0, 1)).numpy()
    np.testing.assert_allclose(bright, plain, atol=1.01e-4)


def test_brightness_shifts_all_pixels_of_an_image_alike():
    images = np.random.default_rng(4).uniform(0.3, 0.7, (300, 4, 5, 3)).astype(np.float32)
    shifts = (relight(images, brightness=0.25) - images).reshape(300, -1)
    np.testing.assert_allclose(shifts, shifts[:, :1].repeat(60, axis=1), atol=1e-6)
    assert_uniform(shifts[:, 0], 0.25)


def test_contrast_multiplies_the_distance_from_the_images_mean():
    images = np.random.default_rng(4).uniform(0.4, 0.6, (300, 4, 5, 3)).astype(np.float32)
    changed = relight(images, contrast=0.5)
    mean = images.mean((1, 2, 3), keepdims=True)
    factors = changed.std((1, 2, 3), keepdims=True) / images.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(changed, mean + factors * (images - mean), atol=1e-6)
    assert_uniform(np.log(factors).ravel(), math.log(1.5))


def test_brightness_and_contrast_take_place_together_on_their_own():
    images = np.random.default_rng(4).uniform(0.4, 0.6, (300, 4, 5, 1)).astype(np.float32)
    changed = relight(images, brightness=0.2, contrast=0.5)
    mean, new_mean = (x.mean((1, 2, 3), keepdims=True) for x in (images, changed))
    factors = changed.std((1, 2, 3), keepdims=True) / images.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(changed, new_mean + factors * (images - mean), atol=1e-6)
    assert_uniform((new_mean - mean).ravel(), 0.2)
    assert_uniform(np.log(factors).ravel(), math.log(1.5))
    assert abs(np.corrcoef((new_mean - mean).ravel(), np.log(factors).ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("amounts", [{"brightness": 1}, {"contrast": 3}])
def test_pixels_are_clipped_to_the_range(amounts: dict):
    images = np.random.default_rng(4).random((50, 4, 5, 3), np.float32)
    changed = relight(images, **amounts)
    assert (changed.min(), changed.max()) == (0, 1)
    assert 0.05 < np.mean((changed == 0) | (changed == 1)) < 0.95


def test_an_erased_rectangle_has_sides_and_a_place_at_random():
    found = erase(0.4, 400)
    for axis, size in enumerate((100, 80)):
        places = [each[axis] for each in found]
        sides = np.array([place.stop - place.start for place in places])
        starts = np.array([place.start for place in places])
        assert_uniform(sides / size - 0.25, 0.15 + 0.5 / size)
        assert_uniform(starts / (size - sides) - 0.5, 0.5)
    (heights, widths) = ([each[axis].stop - each[axis].start for each in found] for axis in (0, 1))
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.2


def test_what_is_erased_is_uniform_noise_of_its_own():
    noise = [each[2].ravel() for each in erase(0.4, 20)]
    values = np.concatenate(noise)
    assert 0 <= values.min() <= values.max() < 1
    assert stats.kstest(values, "uniform").pvalue > 0.001
    assert len(np.unique(values)) > 0.99 * len(values)


def test_all_of_an_image_may_be_erased():
    shares = [each[2].size / (8 * 6 * 2) for each in erase(1, 300, (8, 6))]
    assert max(shares) == 1
    assert min(shares) < 0.2


def test_erasing_comes_after_light_which_does_not_change_the_noise():
    images = np.full((50, 20, 20, 1), 0.5, np.float32)
    erased = relight(images, erasing=0.5)
    both = relight(images, brightness=0.4, contrast=1, erasing=0.5)
    inside = erased != 0.5
    np.testing.assert_array_equal(both[inside], erased[inside])
    assert np.all(both[~inside] != 0.5)


def test_light_and_erasing_are_the_same_in_a_graph_and_outside_of_it():
    augmentation = Augmentation(brightness=0.2, contrast=0.5, erasing=0.5)
    data = tf.data.Dataset.from_tensors(IMAGES).map(lambda images: augmentation(images, (0, 1)))
    np.testing.assert_allclose(
        next(iter(data)), augmentation(tf.constant(IMAGES), (0, 1)), atol=1e-6
    )
