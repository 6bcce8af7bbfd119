"""Tests of images that are embedded once each, by counting and by one embedding at a time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from verifiers import IMAGES, PREPROCESSING, build

from siamese_verify.data.decoding import ImageError
from siamese_verify.verification import embedded_images
from siamese_verify.verification.embedded_images import DistinctImages
from siamese_verify.verification.embedder import Embedder


@pytest.fixture(scope="module")
def embedder():
    return Embedder(build(), PREPROCESSING)


@pytest.fixture
def files(tmp_path):
    for i in range(20):
        Image.fromarray(IMAGES[i, ..., 0]).save(tmp_path / f"{i}.png")
    return [tmp_path / f"{i}.png" for i in range(20)]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(embedded_images, "BLOCK", 7)


def test_equal_paths_and_the_same_objects_are_read_once(embedder, files, monkeypatch, small_blocks):
    read = []
    original = embedded_images.read_image
    monkeypatch.setattr(
        embedded_images, "read_image", lambda image, p: read.append(image) or original(image, p)
    )
    images = [*files, *map(str, files[:9]), IMAGES[30], IMAGES[31]]
    images += [images[-1], *files]
    found = embedder.embed(images)
    assert len(read) == 22
    one_by_one = np.concatenate([embedder.embed([image]) for image in images])
    assert found == pytest.approx(one_by_one, abs=1e-5)


def test_objects_of_an_iterator_that_ended_are_not_mistaken_for_others(embedder, small_blocks):
    one_by_one = embedder.model.embed(IMAGES)
    assert embedder.embed(image.copy() for image in IMAGES) == pytest.approx(one_by_one, abs=1e-5)
    assert embedder.embed(IMAGES) == pytest.approx(one_by_one, abs=1e-5)


def test_an_image_that_cannot_be_used_is_marked_wherever_it_occurs(
    embedder, files, tmp_path, small_blocks
):
    (bad := tmp_path / "bad.png").write_bytes(b"no image")
    images = [files[0], bad, *files[1:12], tmp_path / "missing.png", bad, files[0]]
    embedded = embedder.embed_each(images, on_error="skip")
    assert sorted(embedded.failures) == [1, 13, 14]
    assert (np.flatnonzero(embedded.rows < 0) == [1, 13, 14]).all()
    assert isinstance(embedded.failures[13], OSError)
    assert len(embedded.embeddings) == len(embedded.unlike) == 12
    good = embedded.rows[[0, 2, 12, 15]]
    expected = embedder.embed([images[i] for i in (0, 2, 12, 15)])
    assert embedded.embeddings[good] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ImageError, match=r"bad\.png cannot be read"):
        embedder.embed(images)


def test_progress_ends_with_the_number_of_images(embedder, small_blocks):
    seen = []
    embedder.embed_each(list(IMAGES[:20]), progress=seen.append)
    assert seen == [7, 14, 20]


def test_no_images_have_no_embeddings(embedder):
    assert embedder.embed([]).shape == (0, 8)
    assert [*DistinctImages(iter(())).blocks()] == []


def test_paths_are_equal_in_any_type(embedder, files):
    distinct = DistinctImages([files[0], str(files[0]), Path(files[0])])
    assert [len(block) for block in distinct.blocks()] == [1]
    assert distinct.numbers == [0, 0, 0]
