"""Tests of the fingerprint that binds a verifier's weights, head, threshold and gallery."""

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from verifiers import IMAGES, PREPROCESSING, add, build, draw_pairs, make_enrolled, train

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.verification import fingerprint
from siamese_verify.verification.file import VerifierFileError
from siamese_verify.verification.gallery import GalleryError
from siamese_verify.verification.indexes.index import Neighbors

pytestmark = [
    pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.calibration.CalibrationWarning"),
    pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.report.EvaluationWarning"),
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> sv.PairDataset:
    """Pairs of random images."""
    return draw_pairs(tmp_path_factory.mktemp("pairs") / "images", "abcdef")


def test_calibrate_warns_of_an_image_rejected_against_itself(
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


@pytest.mark.parametrize(
    "change",
    [train, add("conv_1/kernel"), add("moving_mean"), add("embedding/bias"), add("log_scale")],
)
def test_threshold_and_gallery_hold_for_their_weights_only(
    change: Callable[[sv.Verifier], None], pairs: sv.PairDataset, tmp_path: Path
) -> None:
    verifier = make_enrolled()
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
    verifier = make_enrolled()
    decision, weights = verifier.verify(IMAGES[0], IMAGES[1]), verifier.model.get_weights()
    train(verifier)
    verifier.model.set_weights(weights)
    assert verifier.verify(IMAGES[0], IMAGES[1]) == decision
    assert verifier.identify(IMAGES[0])[0].name == "Ada"


def test_parts_that_are_bound_together_cannot_be_replaced() -> None:
    verifier = make_enrolled()
    for name in ("model", "preprocessing", "fingerprint", "gallery"):
        with pytest.raises(AttributeError):
            setattr(verifier, name, getattr(verifier, name))


@pytest.mark.parametrize("kind", ["calibrate", "enroll"])
def test_weights_that_change_during_a_call_raise_and_leave_no_trace(
    kind: str, pairs: sv.PairDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = make_enrolled()
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
def test_a_copy_decides_the_same_and_enrolls_for_itself(
    copied: Callable[[sv.Verifier], sv.Verifier],
) -> None:
    verifier = make_enrolled()
    other = copied(verifier)
    assert other.verify(IMAGES[0], IMAGES[1]) == verifier.verify(IMAGES[0], IMAGES[1])
    assert other.identify(IMAGES[0]) == verifier.identify(IMAGES[0])
    other.enroll({"Eve": IMAGES[4:5]})
    assert verifier.gallery.identities == ("Ada", "Bob")


def test_weights_are_hashed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counted = []
    examine = fingerprint._examine
    monkeypatch.setattr(fingerprint, "_examine", lambda x: counted.append(x.shape) or examine(x))
    verifier = make_enrolled()
    n = len(verifier.model.weights)
    for i in range(20):
        verifier.enroll({str(i): IMAGES[i : i + 1]})
        verifier.verify(IMAGES[i], IMAGES[i + 1])
        verifier.identify(IMAGES[i])
    verifier.save_gallery(tmp_path / "identities.npz")
    verifier.load_gallery(tmp_path / "identities.npz")
    assert len(counted) == n
    verifier.save(tmp_path / "faces.keras")
    assert len(counted) == 2 * n  # The model in the file too.
    train(verifier)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            verifier.verify(IMAGES[0], IMAGES[1])
    assert 2 * n < len(counted) <= 3 * n


class Broken(sv.CosineHead):
    """Head that returns no number for some pairs."""

    value = float("nan")

    def call(self, inputs: tuple) -> object:
        scores = super().call(inputs)
        return keras.ops.where(scores < 0.9999, self.value, scores)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_decide_nothing(
    value: float, pairs: sv.PairDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = make_enrolled(Broken())
    monkeypatch.setattr(Broken, "value", value)
    for attempt in (
        lambda: verifier.verify(IMAGES[0], IMAGES[1]),
        lambda: verifier.verify_many([(IMAGES[0], IMAGES[0]), (IMAGES[0], IMAGES[1])]),
        lambda: verifier.identify(IMAGES[9]),
        lambda: verifier.evaluate(pairs),
        lambda: verifier.calibrate(pairs),
    ):
        with pytest.raises(RuntimeError, match="are not finite, so they decide nothing"):
            attempt()


def test_an_index_that_returns_no_number_decides_nothing() -> None:
    class Index:
        def __init__(self, *_: object):
            pass

        def add(self, *_: object) -> None:
            pass

        def remove(self, *_: object) -> None:
            pass

        def __len__(self) -> int:
            return 4

        def search(self, *_: object) -> Neighbors:
            return Neighbors(np.full((1, 1), np.nan, np.float32), np.zeros((1, 1), np.int64))

    verifier = make_enrolled()
    verifier.index_type = Index
    with pytest.raises(RuntimeError, match="returned the score nan"):
        verifier.identify(IMAGES[0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "path", ["conv_1/kernel", "moving_variance", "embedding/bias", "log_scale"]
)
def test_weights_that_are_not_finite_decide_nothing(
    value: float, path: str, pairs: sv.PairDataset, tmp_path: Path
) -> None:
    # A NaN in the first convolution leaves finite embeddings: pooling turns it into 0.
    verifier = make_enrolled()
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
    assert {w.filename for w in caught if w.category is UserWarning} == {__file__}
    model = keras.saving.load_model(tmp_path / "bad.keras")
    assert sum(np.isfinite(w).all() for w in model.get_weights()) == len(model.weights) - 1
    with pytest.raises(VerifierFileError, match=f"bad.keras: The weights .*{path}' are not finite"):
        sv.Verifier.load(tmp_path / "bad.keras")
