import numpy as np
import pytest

from siamese_verify.drawn_faces.painting import draw_face


def test_the_same_numbers_draw_the_same_face() -> None:
    assert draw_face(1, 1).shape == (112, 112, 3)
    np.testing.assert_array_equal(draw_face(5, 2), draw_face(5, 2))
    assert (draw_face(5, 2) != draw_face(5, 2, seed=1)).any()


def test_identities_differ_more_than_their_images() -> None:
    # In an average over images, pose and light fade and the identity stays. Without differences of
    # identities, two averages of one identity would be as far apart as averages of two identities.
    samples = [[draw_face(identity, i, size=32) for i in range(1, 13)] for identity in range(1, 21)]
    flat = np.asarray(samples, np.float32).reshape(20, 2, 6, -1)
    one, other = flat.mean(axis=2).transpose(1, 0, 2)
    distances = np.linalg.norm(one[:, None] - other[None], axis=-1)
    nearest = distances.argmin(axis=1)
    assert (nearest == np.arange(20)).mean() >= 0.9  # By chance: 0.05.


def test_images_of_one_identity_differ() -> None:
    samples = np.stack([draw_face(1, i, size=32) for i in range(1, 5)]).astype(float)
    assert samples.std(axis=0).mean() > 10


def test_images_are_numbered_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        draw_face(1, 0)
