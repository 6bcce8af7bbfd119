"""Tests of calibration and evaluation: the threshold, its evidence, and its warnings."""

import warnings
from pathlib import Path

import keras
import pytest
from verifiers import FACE_SIZE, IMAGES, build_for_faces, make_enrolled, train

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.evaluation.report import EvaluationWarning, evaluate_scores


def test_threshold_and_evidence_follow_from_the_scores(
    verifier: sv.Verifier, pairs: sv.PairDataset
) -> None:
    scores = verifier.model.score(pairs.images, pairs.indices)
    assert verifier.threshold == sv.choose_threshold(scores, pairs.labels)
    identities = [(pair.left.identity, pair.right.identity) for pair in pairs.pairs]
    expected = evaluate_scores(scores, pairs.labels, verifier.threshold, identities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)  # The threshold was chosen on these.
        assert str(verifier.evaluate(pairs)) == str(expected)
    assert verifier.calibration.far == expected.far
    assert verifier.calibration.frr.high == expected.frr.high


def test_without_a_threshold_every_decision_raises(
    pairs: sv.PairDataset, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    verifier = sv.Verifier(build_for_faces(), pairs.preprocessing)
    for attempt in (
        lambda: verifier.threshold,
        lambda: verifier.verify(*paths[0]),
        lambda: verifier.evaluate(pairs),
        lambda: verifier.identify(paths[0][0]),
        lambda: verifier.save(tmp_path / "faces.keras"),
    ):
        with pytest.raises(RuntimeError, match="calibrate"):
            attempt()


def test_calibrate_warns_of_validation_identities_in_training(drawn: Path) -> None:
    data = sv.PairDataset.from_lfw(
        drawn / "pairsDevTrain.txt", drawn / "lfw2", FACE_SIZE, verbose=False
    )
    _, by_pair = data.split(0.5)
    with pytest.warns(CalibrationWarning) as caught:
        sv.Verifier(build_for_faces(), data.preprocessing).calibrate(by_pair)
    assert any("validation identities are in training too" in str(w.message) for w in caught)
    _, by_identity = data.split(0.5, by="identity")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sv.Verifier(build_for_faces(), data.preprocessing).calibrate(by_identity)
    assert not any("in training too" in str(w.message) for w in caught)
    with pytest.warns(CalibrationWarning) as caught:
        sv.Verifier(build_for_faces(), data.preprocessing).calibrate(
            by_identity, training_identities=by_identity.pairs.identities[:1]
        )
    assert str(caught[0].message).startswith("1 of ")


def test_training_identities_come_in_a_list(pairs: sv.PairDataset) -> None:
    with pytest.raises(TypeError, match="must be in a list, even a single name"):
        sv.Verifier(build_for_faces(), pairs.preprocessing).calibrate(
            pairs, training_identities="Ada"
        )


def test_pairs_with_other_preprocessing_raise(verifier: sv.Verifier, drawn: Path) -> None:
    other = sv.PairDataset.from_lfw(
        drawn / "pairsDevTest.txt", drawn / "lfw2", (32, 32), verbose=False
    )
    with pytest.raises(ValueError, match=r"image_size=\(32, 32\).*not.*\(24, 24\)"):
        verifier.evaluate(other)


def test_any_keras_model_with_a_head_can_be_verified(
    pairs: sv.PairDataset, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    embedding = keras.Sequential(
        [keras.Input((*FACE_SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(8)]
    )
    with pytest.raises(ValueError, match="An embedding model requires `head`"):
        sv.Verifier(embedding, pairs.preprocessing)
    with pytest.raises(ValueError, match="An embedding model requires `head`"):
        sv.Verifier(build_for_faces(), pairs.preprocessing, head=sv.CosineHead())
    verifier = sv.Verifier(embedding, pairs.preprocessing, head=sv.CosineHead())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        verifier.calibrate(pairs, "eer")
    verifier.save(tmp_path / "faces.keras")
    again = sv.Verifier.load(tmp_path / "faces.keras")
    assert again.verify(*paths[0]) == verifier.verify(*paths[0])
    assert again.calibration == verifier.calibration


@pytest.mark.parametrize(
    "wrong",
    [sv.Preprocessing(FACE_SIZE, channels=3), sv.Preprocessing((FACE_SIZE[0] + 2, FACE_SIZE[1]))],
)
def test_preprocessing_must_return_the_shape_that_the_model_needs(wrong: sv.Preprocessing) -> None:
    with pytest.raises(
        ValueError, match=r"`preprocessing` must return images of the shape .*Received: preproc"
    ):
        sv.Verifier(build_for_faces(), wrong)


def test_a_head_is_a_layer_and_preprocessing_a_preprocessing() -> None:
    with pytest.raises(TypeError, match=r"`head` must be a layer.*Received: head='cosine'"):
        sv.Verifier(build_for_faces().tower, sv.Preprocessing(FACE_SIZE), head="cosine")
    with pytest.raises(TypeError, match=r"`preprocessing` must be .*Received: "):
        sv.Verifier(build_for_faces(), FACE_SIZE)


def test_setting_the_calibration_binds_it_to_the_present_weights() -> None:
    verifier = make_enrolled()
    train(verifier)
    verifier.calibration = verifier.calibration
    assert verifier.verify(IMAGES[0], IMAGES[1]).fingerprint == verifier.fingerprint
    verifier.calibration = None
    with pytest.raises(RuntimeError, match="has no threshold"):
        verifier.verify(IMAGES[0], IMAGES[1])


def test_every_warning_points_to_the_line_of_the_caller(pairs: sv.PairDataset) -> None:
    known = pairs.pairs.identities
    with pytest.warns(CalibrationWarning) as caught:
        verifier = sv.Verifier(build_for_faces(), pairs.preprocessing).calibrate(
            pairs, training_identities=known
        )
    ours = [warning for warning in caught if warning.category is CalibrationWarning]
    assert len(ours) > 1  # The identities are in training, and the pairs are few.
    assert {warning.filename for warning in ours} == {__file__}
    with pytest.warns(EvaluationWarning) as caught:
        verifier.evaluate(pairs)
    ours = [warning for warning in caught if warning.category is EvaluationWarning]
    assert {warning.filename for warning in ours} == {__file__}
