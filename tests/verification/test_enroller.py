"""Tests of enrolment: what is added once, removed, replaced, and embedded again from files."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from verifiers import IMAGES, PREPROCESSING, SIZE, build, make_enrolled, train

import siamese_verify as sv
from siamese_verify.verification import enroller, enrolment
from siamese_verify.verification.gallery import GalleryError
from siamese_verify.verification.looks import UnlikeValidationError

MEASUREMENT = {"fpir": 0.5, "strangers": {f"s{i}": IMAGES[50 + i : 51 + i] for i in range(20)}}


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(tf.io.encode_png(image).numpy())
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[Path]]:
    names = {"Ada": [0, 1], "Bob": [2]}
    return {
        name: [write(tmp_path / "images" / name / f"{i}.png", IMAGES[i]) for i in rows]
        for name, rows in names.items()
    }


def test_an_image_enrolled_again_is_not_added(files: dict[str, list[Path]]) -> None:
    verifier = sv.Verifier(build(), PREPROCESSING)
    assert verifier.enroll(files) == 3
    # The same pixels in other forms: an array, a file of other bytes, and twice in one call.
    assert verifier.enroll({"Ada": [IMAGES[0], files["Ada"][1].read_bytes()]}) == 0
    assert verifier.enroll({"Eve": [IMAGES[4], IMAGES[4]], "Bob": [IMAGES[0]]}) == 2
    assert verifier.gallery.names == ("Ada", "Ada", "Bob", "Eve", "Bob")
    assert verifier.gallery.images[:3] == tuple(str(p) for p in [*files["Ada"], *files["Bob"]])
    assert verifier.gallery.images[3:] == ("", "")


def test_a_removed_identity_is_found_no_more(tmp_path: Path) -> None:
    verifier = make_enrolled(sv.CosineHead())
    verifier.enroll({}, metadata={"Ada": {"sku": 7}})
    assert verifier.identify(IMAGES[0])[0].name == "Ada"
    assert verifier.remove(["Ada"]) == 2
    assert verifier.gallery.identities == ("Bob",)
    assert {m.name for m in verifier.identify(IMAGES[0], 5, below_threshold=True)} == {"Bob"}
    assert verifier.gallery.metadata == {}
    verifier.save_gallery(tmp_path / "g.npz")
    assert b"Ada" not in (tmp_path / "g.npz").read_bytes()
    verifier.enroll({"Ada": IMAGES[:1]})
    assert verifier.gallery.ids.tolist() == [2, 3, 4]  # No id is used again.
    verifier.remove(["Ada", "Bob"])
    verifier.enroll({"Ada": IMAGES[:1]})
    assert verifier.gallery.ids.tolist() == [5]


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.remove(["Ada", "Bub"]),
        lambda v: v.replace({"Ada": IMAGES[4:5], "Bub": IMAGES[5:6]}),
        lambda v: v.enroll({"Eve": IMAGES[4:5]}, metadata={"Bub": {}}),
    ],
)
def test_an_unknown_name_changes_nothing_and_near_names_are_told(
    change: Callable[[sv.Verifier], None],
) -> None:
    verifier = make_enrolled()
    before = verifier.gallery
    with pytest.raises(ValueError, match=r"'Bub' is not enrolled.*Near names: Bob\."):
        change(verifier)
    assert verifier.gallery.names == before.names
    assert verifier.gallery.metadata == {}


def test_one_name_is_not_a_list_of_names() -> None:
    with pytest.raises(TypeError, match=r"write \['Ada'\]"):
        make_enrolled().remove("Ada")
    with pytest.raises(ValueError, match="No identity is enrolled"):
        sv.Verifier(build(), PREPROCESSING).remove(["Ada"])


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_not_enrolled(name: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        make_enrolled().enroll({name: IMAGES[:1]})


def test_metadata_that_python_does_not_write_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"JSON can hold it.*=dict without a text"):
        make_enrolled().enroll({}, metadata={"Ada": {"sku": 10**5_000}})


def test_replaced_images_are_gone_and_metadata_stays() -> None:
    verifier = make_enrolled()
    verifier.enroll({}, metadata={"Ada": {"sku": 7}})
    verifier.replace({"Ada": IMAGES[4:7]})
    assert sorted(verifier.gallery.names) == ["Ada"] * 3 + ["Bob"] * 2
    (best,) = verifier.identify(IMAGES[5])
    assert (best.name, best.metadata) == ("Ada", {"sku": 7})
    verifier.replace({"Ada": IMAGES[4:7]}, metadata={"Ada": {"sku": 8}})
    assert len(verifier.gallery) == 5
    assert verifier.gallery.metadata == {"Ada": {"sku": 8}}


@pytest.mark.parametrize(
    ("images", "error"),
    [({"Ada": [IMAGES[4]], "Bob": [b"no image"]}, ValueError), ({"Ada": []}, ValueError)],
)
def test_a_replacement_that_fails_changes_nothing(
    images: dict[str, list[object]], error: type[Exception]
) -> None:
    verifier = make_enrolled()
    before = verifier.gallery
    with pytest.raises(error):
        verifier.replace(images)
    assert verifier.gallery is before


def test_a_search_sees_the_old_images_or_the_new() -> None:
    verifier = make_enrolled(sv.CosineHead())
    verifier.remove(["Bob"])

    def step(i: int) -> int:
        if i % 3 == 0:
            verifier.replace({"Ada": IMAGES[10 + i : 10 + i + (i % 2) + 1]})
        return len(verifier.identify(IMAGES[0], 5, below_threshold=True))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(step, range(30))) == {1}


def test_the_mean_template_is_the_mean_of_unit_embeddings() -> None:
    verifier = sv.Verifier(build(sv.CosineHead()), PREPROCESSING)
    verifier.calibration = make_enrolled().calibration
    verifier.enroll({"Ada": IMAGES[:2], "Bob": IMAGES[3:4]}, template="mean")
    verifier.identify(IMAGES[9])  # The index is made, so that it has to follow.
    verifier.enroll({"Ada": IMAGES[2:3], "Eve": IMAGES[5:6]})
    verifier.remove(["Bob"])
    embeddings = verifier.embed(IMAGES[:3]).astype(float)
    mean = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).mean(axis=0)
    probe = verifier.embed(IMAGES[9:10])[0].astype(float)
    expected = probe @ mean / np.linalg.norm(probe) / np.linalg.norm(mean)
    found = {m.name: m for m in verifier.identify(IMAGES[9], 5, below_threshold=True)}
    assert found["Ada"].score == pytest.approx(expected, abs=1e-5)
    assert found["Ada"].image == ""
    assert set(found) == {"Ada", "Eve"}


def test_a_gallery_has_one_template(tmp_path: Path) -> None:
    verifier = make_enrolled()
    with pytest.raises(ValueError, match=r"this one has 'each'.*Received: template='mean'"):
        verifier.enroll({"Eve": IMAGES[4:5]}, template="mean")
    with pytest.raises(ValueError, match=r"must be 'each'.*Received: template='all'"):
        verifier.enroll({"Eve": IMAGES[4:5]}, template="all")
    verifier.remove(["Ada", "Bob"])
    verifier.enroll({"Ada": IMAGES[:2]}, template="mean")
    verifier.save_gallery(tmp_path / "g.npz")
    again = make_enrolled()
    again.load_gallery(tmp_path / "g.npz")
    assert again.gallery.template == "mean"


@pytest.mark.parametrize(
    ("metadata", "error"),
    [({"Ada": 1}, TypeError), ([], TypeError), ({1: {}}, TypeError),
     ({"Ada": {"a": {1}}}, ValueError), ({"Ada": {"a": float("nan")}}, ValueError),
     ({"Ada": {"a": (1,)}}, ValueError), ({"Ada": {1: 1}}, ValueError)],
)  # fmt: skip
def test_metadata_that_json_cannot_hold_enrolls_no_identity(
    metadata: object, error: type[Exception]
) -> None:
    verifier = make_enrolled()
    before = verifier.gallery.names
    with pytest.raises(error, match=r"etadata.*Received"):
        verifier.enroll({"Ada": IMAGES[4:5]}, metadata=metadata)
    assert verifier.gallery.names == before


def test_a_match_tells_image_and_metadata_from_a_file_too(
    files: dict[str, list[Path]], tmp_path: Path
) -> None:
    verifier = make_enrolled()
    verifier.remove(["Ada", "Bob"])
    given = {"Ada": {"sku": [1, "a"], "more": None}}
    verifier.enroll(files, metadata=given)
    given["Ada"]["sku"].append(2)
    verifier.identify(IMAGES[1])[0].metadata.clear()
    verifier.save_gallery(tmp_path / "g.npz")
    again = make_enrolled()
    again.load_gallery(tmp_path / "g.npz")
    for owner in (verifier, again):
        (match,) = owner.identify(IMAGES[1])
        assert (match.name, match.image) == ("Ada", str(files["Ada"][1]))
        assert match.metadata == {"sku": [1, "a"], "more": None}
    assert again.enroll(files) == 0


def enrolled_in_file(
    files: dict[str, list[Path]], path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Save a gallery of relative paths, with metadata and a threshold for identification."""
    monkeypatch.chdir(root)
    verifier = sv.Verifier(build(), PREPROCESSING)
    relative = {name: [p.relative_to(root) for p in paths] for name, paths in files.items()}
    verifier.enroll(relative, metadata={"Bob": {"sku": 1}})
    with warnings.catch_warnings(action="ignore"):  # The strangers are few.
        verifier.calibrate_identification(**MEASUREMENT)
    verifier.save_gallery(path)
    monkeypatch.chdir("/")


def test_a_gallery_of_another_model_is_embedded_again_from_its_files(
    files: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled_in_file(files, tmp_path / "old.npz", tmp_path, monkeypatch)
    model = build()
    model.set_weights([2 * weights for weights in model.get_weights()])
    other = sv.Verifier(model, sv.Preprocessing(SIZE, center_crop=(12, 12)))
    with pytest.raises(GalleryError, match=r"made by another model.*reembed=True"):
        other.load_gallery(tmp_path / "old.npz")
    with pytest.warns(UserWarning, match="had a threshold for identification"):
        other.load_gallery(tmp_path / "old.npz", reembed=True, images_root=tmp_path)
    gallery = other.gallery
    np.testing.assert_allclose(gallery.embeddings, other.embed(IMAGES[:3]), atol=1e-5)
    assert gallery.names == ("Ada", "Ada", "Bob")
    assert gallery.metadata == {"Bob": {"sku": 1}}
    assert gallery.identification is None
    assert gallery.ids.min() >= 3
    assert other.enroll(files) == 0
    other.save_gallery(tmp_path / "new.npz")
    other.load_gallery(tmp_path / "new.npz")  # This model made it, so that nothing is to be done.


def test_missing_and_changed_images_are_named_and_nothing_is_replaced(
    files: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled_in_file(files, tmp_path / "old.npz", tmp_path, monkeypatch)
    other = make_enrolled(sv.CosineHead())
    before = other.gallery
    files["Ada"][0].unlink()
    write(files["Bob"][0], IMAGES[9])
    with pytest.raises(GalleryError) as caught:
        other.load_gallery(tmp_path / "old.npz", reembed=True, images_root=tmp_path)
    said = str(caught.value)
    assert f"{files['Ada'][0]} is missing" in said
    assert f"{files['Bob'][0]} has changed" in said
    assert "2 of its 3 images" in said
    assert other.gallery is before


def test_images_without_a_path_cannot_be_embedded_again(tmp_path: Path) -> None:
    verifier = make_enrolled()
    verifier.save_gallery(tmp_path / "old.npz")
    train(verifier)
    other = sv.Verifier(verifier.model, PREPROCESSING)
    with pytest.raises(GalleryError, match=r"(?s)4 of its 4 .*'Ada': an image was not enr"):
        other.load_gallery(tmp_path / "old.npz", reembed=True)


def test_every_unlike_image_is_named_by_its_path_or_its_place(
    files: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_black(_: object, pixels: np.ndarray, __: object) -> list[tuple[str, ...]]:
        return [() if image.any() else ("black",) for image in pixels]

    monkeypatch.setattr(enroller, "find_unlike", find_black)
    monkeypatch.setattr(enrolment, "BLOCK", 2)
    verifier, (one, _), black = sv.Verifier(build(), PREPROCESSING), files["Ada"], 0 * IMAGES[0]
    # One path shows three identities, so paths are fewer than images.
    identities = {"Ada": [one], "Bob": [one], "Cid": [one], "Dan": [black, IMAGES[9]]}
    with pytest.raises(UnlikeValidationError, match=r"1 of 5 images .*\n  Dan, image 4: black"):
        verifier.enroll(identities, unlike="raise")
    assert len(verifier.gallery) == 0


def test_arguments_are_checked_before_images_are_read(tmp_path: Path) -> None:
    verifier, missing = sv.Verifier(build(), PREPROCESSING), {"Ada": [tmp_path / "missing.png"]}
    with pytest.raises(ValueError, match="Received: unlike='rais'"):
        verifier.enroll(missing, unlike="rais")
    with pytest.raises(TypeError, match=r"Received: metadata\["):
        verifier.enroll(missing, metadata={"Ada": 1})
