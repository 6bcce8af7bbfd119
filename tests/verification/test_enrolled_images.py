"""Tests of a gallery in memory: it grows in place, and holds the same as a list."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.verification.enrolled_images import EnrolledImages
from siamese_verify.verification.gallery import Gallery, Template

REFERENCE = np.ones(3, np.float32)
NAMES = st.sampled_from(["Ada", "Bob", "Eve"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES, st.integers(1, 5)),
        st.tuples(st.just("replace"), NAMES, st.integers(1, 5)),
        st.tuples(st.just("remove"), NAMES, st.just(0)),
    ),
    max_size=12,
)


def batch(name: str, pixels: list[int]) -> Gallery:
    """Gallery of images that are told apart by one number."""
    digests = np.zeros((len(pixels), 2, 16), np.uint8)
    digests[:, 0, 0] = pixels
    embeddings = np.array([[p, p % 2, 1] for p in pixels], np.float32).reshape(-1, 3)
    images = tuple(f"{p}.jpg" for p in pixels)
    return Gallery(
        (name,) * len(pixels), embeddings, "f", REFERENCE, images=images, image_digests=digests
    )


def test_images_added_one_by_one_do_not_copy_the_gallery_each_time() -> None:
    images = EnrolledImages(batch("Ada", []))
    buffers = set()
    for i in range(2_000):
        row = Gallery((f"{i % 100}",), np.float32([[i, 0, 1]]), "f", REFERENCE)
        assert images.add(row) == 1
        buffers.add(images._embeddings.rows.base.__array_interface__["data"][0])
    assert len(buffers) <= 12  # Doubled from 1 to 2,048.
    assert images.to_gallery().embeddings[:, 0].tolist() == list(range(2_000))


@pytest.mark.parametrize("template", ["each", "mean"])
@given(steps=STEPS)
def test_any_changes_leave_what_a_list_would_hold(
    template: Template, steps: list[tuple[str, str, int]]
) -> None:
    images = EnrolledImages(dataclasses.replace(batch("Ada", []), template=template))
    expected, indexed, last, ids = [], {}, -1, set()
    for step, name, n in steps:
        pixels = list(range(1, n + 1))
        if step == "add":
            old = [p for held, p in expected if held == name]
            images.add(batch(name, pixels))
            expected += [(name, p) for p in pixels if p not in old]
        elif any(held == name for held, _ in expected):
            expected = [row for row in expected if row[0] != name]
            if step == "remove":
                images.remove([name])
            else:
                images.add(batch(name, pixels + pixels), replacing=True)
                expected += [(name, p) for p in pixels]
        gallery = images.to_gallery()
        assert [*zip(gallery.names, gallery.embeddings[:, 0].tolist(), strict=True)] == expected
        assert gallery.images == tuple(f"{p}.jpg" for _, p in expected)
        assert len(images) == len(expected)
        # An index that follows the changes holds the same as a new one.
        stale, images.stale = images.stale, []
        for id_ in stale:
            if id_ <= last:
                del indexed[id_]
        new, embeddings = images.templates_after(last, unit=False)
        assert not set(new.tolist()) & ids
        ids |= set(new.tolist())
        last = max([last, *new.tolist()])
        indexed.update(zip(new.tolist(), embeddings.tolist(), strict=True))
        whole = images.templates_after(-1, unit=False)
        assert indexed == dict(zip(whole[0].tolist(), whole[1].tolist(), strict=True))
        assert len(indexed) == images.n_templates
        if template == "mean":
            means = [
                np.mean([p for held, p in expected if held == name])
                for name in dict.fromkeys(held for held, _ in expected)
            ]
            assert sorted(row[0] for row in indexed.values()) == pytest.approx(sorted(means))


def test_earlier_galleries_stay_as_they_were() -> None:
    images = EnrolledImages(batch("Ada", [1, 2]))
    before = images.to_gallery()
    images.add(batch("Bob", [3]))
    between = images.to_gallery()
    images.remove(["Ada"])
    images.add(batch("Eve", [4, 5, 6]))
    assert (before.names, between.names) == (("Ada",) * 2, ("Ada", "Ada", "Bob"))
    assert between.embeddings[:, 0].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        before.embeddings[0] = 0
