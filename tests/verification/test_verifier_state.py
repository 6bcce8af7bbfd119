"""Tests of what binds the parts of a verifier: weights, head, threshold, gallery, file."""

import copy
import dataclasses
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from verifiers import IMAGES, PREPROCESSING, SIZE, build, draw_pairs

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning, calibrate
from siamese_verify.verification import file, fingerprint
from siamese_verify.verification.file import VerifierFileError
from siamese_verify.verification.fingerprint import digest_of_format_1
from siamese_verify.verification.gallery import GalleryError

pytestmark = [
    pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.calibration.CalibrationWarning"),
    pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.report.EvaluationWarning"),
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> sv.PairDataset:
    return draw_pairs(tmp_path_factory.mktemp("pairs") / "images", "abcdef")


def make(head: keras.layers.Layer | None = None) -> sv.Verifier:
    """With a threshold and two identities enrolled."""
    verifier = sv.Verifier(build(head), PREPROCESSING)
    labels = np.repeat([1, 0], 200)
    scores = np.random.default_rng(0).normal(0.2 * labels, 0.2)
    verifier.calibration = calibrate(scores, labels)
    verifier.enroll({"Ada": IMAGES[:2], "Bob": IMAGES[2:4]})
    return verifier


def train(verifier: sv.Verifier) -> None:
    """Train the model further, as its owner may."""
    model = sv.SiameseModel(verifier.model.tower, verifier.model.head)
    model.compile("sgd", "binary_crossentropy")
    images = IMAGES[:4] / np.float32(255)
    model.train_on_batch((images, images[::-1]), np.arange(4) % 2)


def add(path: str) -> Callable[[sv.Verifier], None]:
    def change(verifier: sv.Verifier) -> None:
        (weight,) = (w for w in verifier.model.weights if path in w.path)
        weight.assign(weight + 0.5)

    return change


# --- Decisions


def test_a_rejection_is_false_and_an_acceptance_true() -> None:
    verifier = make()
    decisions = verifier.verify_many([(one, other) for one in IMAGES[:9] for other in IMAGES[:9]])
    verifier.calibration = dataclasses.replace(verifier.calibration, threshold=2.0)
    decisions += verifier.verify_many([(IMAGES[0], IMAGES[1])])
    assert {bool(decision) for decision in decisions} == {True, False}
    for decision in decisions:
        assert bool(decision) is decision.same is (decision.score >= decision.threshold)
        assert (type(decision.same), type(decision.score)) == (bool, float)


def test_a_decision_is_a_record() -> None:
    verifier = make()
    decision = verifier.verify(IMAGES[0], IMAGES[1])
    record = json.loads(json.dumps(decision.to_dict()))
    calibration = verifier.calibration
    assert record == {
        "same": decision.same,
        "score": decision.score,
        "probability": decision.probability,
        "threshold": verifier.threshold,
        "far": [calibration.far, calibration.far.low, calibration.far.high],
        "frr": [calibration.frr, calibration.frr.low, calibration.frr.high],
        "policy": "max_accuracy",
        "fingerprint": verifier.fingerprint,
    }
    with pytest.raises(TypeError):
        _, *_ = decision
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.same = True


def test_a_match_is_a_record() -> None:
    (match,) = make().identify(IMAGES[0])
    assert match.to_dict() == {"name": "Ada", "score": match.score}
    with pytest.raises(TypeError):
        _, _ = match


def test_an_image_that_would_be_rejected_against_itself_is_warned_of(
    pairs: sv.PairDataset,
) -> None:
    class Distance(keras.layers.Layer):  # where a similarity is wanted
        def call(self, inputs: tuple) -> object:
            return keras.ops.norm(inputs[0] - inputs[1], axis=-1, keepdims=True)

    n = len(np.unique(pairs.indices))
    for head, warned in ((Distance(), True), (sv.CosineHead(), False)):
        verifier = sv.Verifier(build(head), PREPROCESSING)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            verifier.calibrate(pairs, "far=0.5")
        said = [w for w in caught if "compared with themselves" in str(w.message)]
        assert bool(said) == warned
        for warning in said:
            assert warning.category is CalibrationWarning
            assert warning.filename == __file__
            assert str(warning.message).startswith(f"{n} of {n} validation images score below")


# --- What outlives what


@pytest.mark.parametrize(
    "change",
    [train, add("conv_1/kernel"), add("moving_mean"), add("embedding/bias"), add("log_scale")],
)
def test_nothing_outlives_the_weights(
    change: Callable[[sv.Verifier], None], pairs: sv.PairDataset, tmp_path: Path
) -> None:
    verifier = make()
    verifier.save(tmp_path / "before.keras")
    verifier.save_gallery(tmp_path / "before.npz")
    before, known = verifier.fingerprint, verifier.gallery
    change(verifier)
    assert verifier.fingerprint != before
    for attempt in (
        lambda: verifier.threshold,
        lambda: verifier.verify(IMAGES[0], IMAGES[1]),
        lambda: verifier.verify_many([]),
        lambda: verifier.evaluate(pairs),
        lambda: verifier.identify(IMAGES[0]),
        lambda: verifier.save(tmp_path / "after.keras"),
    ):
        with pytest.raises(RuntimeError, match=r"changed since calibrate\(\): the threshold 0\."):
            attempt()
    for attempt in (
        lambda: verifier.enroll({"Eve": IMAGES[4:5]}),
        lambda: verifier.save_gallery(tmp_path / "after.npz"),
        lambda: verifier.load_gallery(tmp_path / "before.npz"),
    ):
        with pytest.raises(GalleryError):
            attempt()
    assert not (tmp_path / "after.keras").exists()
    assert verifier.gallery is known
    verifier.calibrate(pairs)
    assert verifier.verify(IMAGES[0], IMAGES[1]).fingerprint == verifier.fingerprint
    with pytest.raises(GalleryError, match="changed since 4 images were enrolled"):
        verifier.identify(IMAGES[0])


def test_weights_that_are_put_back_are_the_same() -> None:
    verifier = make()
    decision, weights = verifier.verify(IMAGES[0], IMAGES[1]), verifier.model.get_weights()
    train(verifier)
    verifier.model.set_weights(weights)
    assert verifier.verify(IMAGES[0], IMAGES[1]) == decision
    assert verifier.identify(IMAGES[0])[0].name == "Ada"


def test_setting_the_calibration_binds_it_to_the_present_weights() -> None:
    verifier = make()
    train(verifier)
    verifier.calibration = verifier.calibration
    assert verifier.verify(IMAGES[0], IMAGES[1]).fingerprint == verifier.fingerprint
    verifier.calibration = None
    with pytest.raises(RuntimeError, match="has no threshold"):
        verifier.verify(IMAGES[0], IMAGES[1])


def test_parts_that_are_bound_together_cannot_be_replaced() -> None:
    verifier = make()
    for name in ("model", "preprocessing", "fingerprint", "gallery"):
        with pytest.raises(AttributeError):
            setattr(verifier, name, getattr(verifier, name))


@pytest.mark.parametrize("kind", ["calibrate", "enroll"])
def test_weights_that_change_during_a_call_leave_nothing(
    kind: str, pairs: sv.PairDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = make()
    embed, calibration, gallery = verifier.model.embed, verifier.calibration, verifier.gallery

    def embed_and_train(*arguments: object) -> np.ndarray:
        embeddings = embed(*arguments)
        train(verifier)
        return embeddings

    monkeypatch.setattr(verifier.model, "embed", embed_and_train)
    with pytest.raises(RuntimeError, match="changed during this call"):
        verifier.calibrate(pairs) if kind == "calibrate" else verifier.enroll({"E": IMAGES[4:5]})
    assert verifier.calibration is calibration
    assert verifier.gallery is gallery


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_a_copy_decides_alike(copied: Callable[[sv.Verifier], sv.Verifier]) -> None:
    verifier = make()
    other = copied(verifier)
    assert other.verify(IMAGES[0], IMAGES[1]) == verifier.verify(IMAGES[0], IMAGES[1])
    assert other.identify(IMAGES[0]) == verifier.identify(IMAGES[0])
    other.enroll({"Eve": IMAGES[4:5]})
    assert verifier.gallery.identities == ("Ada", "Bob")


def test_weights_are_hashed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counted = []
    examine = fingerprint._examine
    monkeypatch.setattr(fingerprint, "_examine", lambda x: counted.append(x.shape) or examine(x))
    verifier = make()
    n = len(verifier.model.weights)
    for i in range(20):
        verifier.enroll({str(i): IMAGES[i : i + 1]})
        verifier.verify(IMAGES[i], IMAGES[i + 1])
        verifier.identify(IMAGES[i])
    verifier.save_gallery(tmp_path / "identities.npz")
    verifier.load_gallery(tmp_path / "identities.npz")
    verifier.save(tmp_path / "faces.keras")
    assert len(counted) == n
    train(verifier)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            verifier.verify(IMAGES[0], IMAGES[1])
    assert n < len(counted) <= 2 * n


# --- Weights that are not finite


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "path", ["conv_1/kernel", "moving_variance", "embedding/bias", "log_scale"]
)
def test_weights_that_are_not_finite_decide_nothing(
    value: float, path: str, pairs: sv.PairDataset, tmp_path: Path
) -> None:
    # A NaN in the first convolution leaves finite embeddings: pooling turns it into 0.
    verifier = make()
    (weight,) = (w for w in verifier.model.weights if path in w.path)
    values = np.array(weight)
    values.reshape(-1)[0] = value
    weight.assign(values)
    for attempt in (
        lambda: verifier.embed(IMAGES[:1]),
        lambda: verifier.verify(IMAGES[0], IMAGES[1]),
        lambda: verifier.evaluate(pairs),
        lambda: verifier.calibrate(pairs),
        lambda: verifier.enroll({"Eve": IMAGES[4:5]}),
        lambda: verifier.identify(IMAGES[0]),
        lambda: sv.Verifier(verifier.model, PREPROCESSING).gallery,
    ):
        with pytest.raises(RuntimeError, match=f"{path}' are not finite"):
            attempt()
    with pytest.warns(UserWarning, match=f"{path}' are not finite.*inspection") as caught:
        verifier.save(tmp_path / "bad.keras")
    assert caught[0].filename == __file__
    model = keras.saving.load_model(tmp_path / "bad.keras")
    assert sum(np.isfinite(w).all() for w in model.get_weights()) == len(model.weights) - 1
    with pytest.raises(VerifierFileError, match=f"bad.keras: The weights .*{path}' are not finite"):
        sv.Verifier.load(tmp_path / "bad.keras")


# --- Files


def rewritten(path: Path, change: Callable[[dict], dict]) -> Path:
    """The file, with its settings changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    settings = change(json.loads(members["verifier.json"]))
    members["verifier.json"] = json.dumps(settings).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_file_holds_its_fingerprint(tmp_path: Path) -> None:
    verifier = make()
    verifier.save(tmp_path / "faces.keras")
    settings = json.loads(zipfile.ZipFile(tmp_path / "faces.keras").read("verifier.json"))
    assert settings["format"] == file._FORMAT == 2
    assert settings["fingerprint"] == verifier.fingerprint
    assert sv.Verifier.load(tmp_path / "faces.keras").fingerprint == verifier.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {**s, "fingerprint": "0" * 64},
        lambda s: {**s, "preprocessing": {**s["preprocessing"], "center_crop": [9, 9]}},
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(
    change: Callable[[dict], dict], tmp_path: Path
) -> None:
    make().save(tmp_path / "faces.keras")
    path = rewritten(tmp_path / "faces.keras", change)
    with pytest.raises(VerifierFileError, match=r"faces\.keras was changed: its threshold"):
        sv.Verifier.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {name: s[name] for name in s if name != "fingerprint"},
        lambda s: {**s, "seen": "hashes"},
        lambda s: {**s, "seen": {"salt": "00"}},
    ],
)
def test_damaged_settings_are_told(change: Callable[[dict], dict], tmp_path: Path) -> None:
    make().save(tmp_path / "faces.keras")
    with pytest.raises(VerifierFileError, match=r"is damaged: .* in its settings"):
        sv.Verifier.load(rewritten(tmp_path / "faces.keras", change))


def test_a_file_of_format_1_is_bound_to_its_weights(tmp_path: Path) -> None:
    verifier = make()
    verifier.save(tmp_path / "old.keras")
    names = ("preprocessing", "calibration", "versions")
    path = rewritten(
        tmp_path / "old.keras", lambda s: {"format": 1, **{name: s[name] for name in names}}
    )
    old = sv.Verifier.load(path)
    assert old.verify(IMAGES[0], IMAGES[1]) == verifier.verify(IMAGES[0], IMAGES[1])
    train(old)
    with pytest.raises(RuntimeError, match="changed since calibrate"):
        old.verify(IMAGES[0], IMAGES[1])


def test_a_gallery_of_format_1_is_read_where_it_fits(tmp_path: Path) -> None:
    verifier = make()
    gallery, path = verifier.gallery, tmp_path / "old.npz"
    digest = digest_of_format_1(verifier.model, PREPROCESSING)
    np.savez(
        path, format=1, model=digest, reference=gallery.reference, names=np.array(gallery.names),
        embeddings=gallery.embeddings,
    )  # fmt: skip
    other = sv.Verifier(build(), PREPROCESSING)
    other.calibration = verifier.calibration
    other.load_gallery(path)
    assert other.identify(IMAGES[0], 2) == verifier.identify(IMAGES[0], 2)
    other.enroll({"Eve": IMAGES[4:5]})
    other.save_gallery(path)
    verifier.load_gallery(path)
    assert verifier.gallery.identities == ("Ada", "Bob", "Eve")
    np.savez(
        path, format=1, model="0" * 64, reference=gallery.reference,
        names=np.array(gallery.names), embeddings=gallery.embeddings,
    )  # fmt: skip
    with pytest.raises(GalleryError, match="made by another model"):
        verifier.load_gallery(path)


def test_the_digest_of_format_1_is_what_it_was() -> None:
    model = build()
    for variable in model.weights:
        variable.assign(np.ones(variable.shape, np.float32))
    digests = [
        digest_of_format_1(model, p) for p in (PREPROCESSING, sv.Preprocessing(SIZE, 1, (9, 9)))
    ]
    assert digests == [
        "c86d5694a7ab8ecda78f64c9031e4df2cd90650480ae5b7b185a2a2d48170ed0",
        "c48cbdb4b462ee199b890bd5c3e00c410b6acb15e9aae11f0056b7b00c34bdad",
    ]
