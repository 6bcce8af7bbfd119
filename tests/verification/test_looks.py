"""Tests of unlike images: drawn images that are changed on purpose."""

import json
import warnings

import numpy as np
import pytest
from scipy import ndimage

from siamese_verify.verification.image_measures import LAYOUT_SIDE, measure
from siamese_verify.verification.looks import (
    Looks,
    UnlikeValidationError,
    UnlikeValidationWarning,
    check_unlike,
    find_unlike,
    report_unlike,
)


def draw(n, seed):
    """Draw images with a dark top, a bright spot on the left, and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32] / 31
    layout = 120 * y + 60 * np.exp(-20 * ((x - 0.2) ** 2 + (y - 0.6) ** 2))
    texture = ndimage.gaussian_filter(rng.normal(size=(n, 32, 32)), (0, 1, 1))
    images = layout + 90 * texture + rng.normal(40, 15, (n, 1, 1))
    return images.clip(0, 255).astype(np.uint8)[..., None]


def embed(images):
    """Embed by a fixed linear map of the layout."""
    weights = np.random.default_rng(9).normal(size=(LAYOUT_SIDE**2, 5))
    return (measure(images)[:, 3:] @ weights).astype(np.float32)


VALIDATION, UNSEEN = draw(400, 1), draw(400, 2)
LOOKS = Looks.of(measure(VALIDATION), embed(VALIDATION))
CHANGES = {
    "blurred": lambda x: ndimage.gaussian_filter(x, (0, 3, 3, 0)),
    "noisy": lambda x: (
        (x + np.random.default_rng(0).normal(0, 60, x.shape)).clip(0, 255).astype(np.uint8)
    ),
    "low contrast": lambda x: (110 + x / 12).astype(np.uint8),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_an_image_is_unlike_validation_for_the_reason_that_it_was_changed_by(reason):
    changed = CHANGES[reason](UNSEEN)
    found = find_unlike(LOOKS, changed, embed(changed))
    assert np.mean([reason in one for one in found]) > 0.95


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_image_is_told_by_its_layout(quarters):
    turned = np.rot90(UNSEEN, quarters, (1, 2))
    found = find_unlike(LOOKS, turned, embed(turned))
    assert np.mean(["turned" in one for one in found]) > 0.95


def test_few_unseen_images_are_named():
    found = find_unlike(LOOKS, UNSEEN, embed(UNSEEN))
    assert np.mean([bool(one) for one in found]) < 0.05


def test_an_embedding_far_from_all_others_is_unusual():
    measures, embeddings = measure(UNSEEN), embed(UNSEEN)
    found = LOOKS.reasons(measures, embeddings + 20 * embeddings.std(axis=0))
    assert all("unusual" in one for one in found)


@pytest.mark.parametrize("identities", [6, 30, 300])
def test_embeddings_of_new_identities_are_not_unusual(identities):
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(10, 64))

    def draw_embeddings(codes):
        of_identity = rng.normal(size=(codes.max() + 1, 10))[codes]
        vectors = (of_identity + 0.3 * rng.normal(size=of_identity.shape)) @ directions
        return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)

    found = []
    for _ in range(8):
        validation = draw_embeddings(np.repeat(np.arange(identities), 600 // identities))
        looks = Looks.of(measure(VALIDATION[:1]).repeat(600, axis=0), validation)
        unseen = draw_embeddings(np.arange(200))
        found += looks.reasons(measure(VALIDATION[:1]).repeat(200, axis=0), unseen)
    assert np.mean(["unusual" in one for one in found]) < 0.02


def test_where_no_side_is_up_no_image_is_turned():
    rng = np.random.default_rng(0)
    anyhow = np.array([np.rot90(x, rng.integers(4)) for x in VALIDATION])
    looks = Looks.of(measure(anyhow), embed(anyhow))
    assert looks.turned == ()
    assert not any("turned" in one for one in find_unlike(looks, UNSEEN, embed(UNSEEN)))


def test_too_few_validation_images_tell_nothing():
    assert Looks.of(measure(VALIDATION[:29]), embed(VALIDATION[:29])) is None
    assert find_unlike(None, UNSEEN[:2], embed(UNSEEN[:2])) == [(), ()]


def test_constant_images_and_embeddings_are_learned_from_without_a_warning():
    images, embeddings = np.full((40, 9, 9, 1), 50, np.uint8), np.ones((40, 3), np.float32)
    with warnings.catch_warnings(action="error"):
        looks = Looks.of(measure(images), embeddings)
        assert looks.reasons(measure(images), embeddings) == [()] * 40


def test_looks_survive_json_to_the_bit_and_are_small():
    text = json.dumps(LOOKS.to_dict())
    assert Looks.from_dict(json.loads(text)) == LOOKS
    assert len(text) < 8_000


@pytest.mark.parametrize(
    "change",
    [{"contrast": None}, {"blurred": np.inf}, {"centre": [1.0]}, {"spread": ["x"] * 5},
     {"turned": [[1.0]]}],
)  # fmt: skip
def test_every_setting_is_checked(change):
    with pytest.raises(ValueError, match="Received: "):
        Looks.from_dict({**LOOKS.to_dict(), **change})


def test_unlike_images_warn_raise_or_pass():
    found = [("a\nb.jpg", ("blurred", "turned")), ("good.jpg", ())]
    with pytest.warns(UnlikeValidationWarning, match=r"1 of 2 images .*\n  a\\nb.jpg: blurred, t"):
        report_unlike(found, 2, "warn")
    with pytest.raises(UnlikeValidationError, match="Received: unlike='raise'"):
        report_unlike(found, 2, "raise")
    report_unlike(found, 2, "ignore")
    report_unlike([("good.jpg", ())], 1, "raise")
    with pytest.raises(ValueError, match=r"`unlike` must be .* Received: unlike='maybe'"):
        check_unlike("maybe")
