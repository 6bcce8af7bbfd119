"""Tests of the threshold for identification, against drawn scores and new strangers."""

import warnings

import numpy as np
import pytest
from verifiers import IMAGES, PREPROCESSING, build, make_enrolled

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.verification.identification import (
    IdentificationCalibration,
    calibrate_identification,
)

SIZE = 16


def best_of(probes: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Best cosine of each probe with a gallery, by NumPy alone."""
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (probes, gallery))
    return (one @ other.T).max(axis=1).astype(np.float32)


@pytest.mark.parametrize("n", [100, 250])
def test_new_strangers_are_accepted_as_often_as_asked_on_average(n: int) -> None:
    rng, rates = np.random.default_rng(0), []
    for _ in range(60):
        gallery = rng.normal(size=(50, SIZE))
        scores = [best_of(rng.normal(size=(m, SIZE)), gallery) for m in (n, 2000)]
        with warnings.catch_warnings(action="ignore"):
            found = calibrate_identification(scores[0], [str(i) for i in range(n)], 0.05, 50)
        assert found.fpir <= 0.05
        rates.append(np.mean(scores[1] >= found.threshold))
    # By order statistics, the mean rate is floor(0.05 n) / (n + 1).
    expected = int(0.05 * n) / (n + 1)
    assert np.mean(rates) == pytest.approx(expected, abs=4 * np.std(rates) / 60**0.5)
    assert expected <= 0.05


def test_the_rate_grows_at_most_in_proportion_to_the_gallery() -> None:
    rng = np.random.default_rng(1)
    gallery, probes = rng.normal(size=(800, SIZE)), rng.normal(size=(20_000, SIZE))
    threshold = np.quantile(best_of(probes, gallery[:100]), 0.99)
    rates = [np.mean(best_of(probes, gallery[:n]) >= threshold) for n in (100, 200, 400, 800)]
    for rate, growth in zip(rates, (1, 2, 4, 8), strict=True):
        assert rate <= 1.1 * growth * rates[0]
    assert rates[3] > 4 * rates[0]


def test_the_threshold_is_the_smallest_score_of_a_stranger_that_keeps_the_rate() -> None:
    scores = np.arange(100, dtype=np.float32)
    with pytest.warns(CalibrationWarning, match="may be more than twice the 0.05"):
        found = calibrate_identification(scores, [str(i) for i in range(100)], 0.05, 10)
    assert found.threshold == 95
    assert found.fpir == 0.05
    assert found.fpir.low < 0.05 < found.fpir.high
    with warnings.catch_warnings(action="ignore"):
        tied = calibrate_identification(np.minimum(scores, 90), ["a"] * 100, 0.05, 10)
    assert tied.threshold > 90
    assert tied.fpir == 0


def test_images_of_one_stranger_widen_the_interval() -> None:
    scores = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    alone = calibrate_identification(scores, [str(i) for i in range(2000)], 0.01, 10)
    with pytest.warns(CalibrationWarning, match="2,000 images of 100 strangers"):
        shared = calibrate_identification(scores, [str(i % 100) for i in range(2000)], 0.01, 10)
    assert shared.fpir == alone.fpir
    assert shared.fpir.high > 2 * alone.fpir.high
    assert (alone.fpir.conservative, shared.fpir.conservative) == (False, True)


def test_too_few_strangers_raise_and_the_number_needed_is_told() -> None:
    with pytest.raises(ValueError, match=r"at least 100 images .* Received: 99 images"):
        calibrate_identification(np.zeros(99, np.float32), ["a"] * 99, 0.01, 10)


@pytest.mark.parametrize("fpir", [0, 1, -0.1, float("nan"), "0.01", True])
def test_a_rate_that_is_none_raises(fpir: object) -> None:
    with pytest.raises(ValueError, match=r"`fpir`.*Received: fpir="):
        make_enrolled().calibrate_identification({}, fpir)


def test_a_verifier_keeps_the_rate_on_new_strangers(tmp_path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1320, 16, 16), np.uint8)
    verifier = sv.Verifier(build(sv.CosineHead()), PREPROCESSING)
    verifier.enroll({f"{i}": images[i : i + 1] for i in range(20)})
    strangers = {f"s{i}": images[i : i + 1] for i in range(20, 320)}
    probes = {f"{i}": [np.roll(images[i], 1, axis=0)] for i in range(20)}
    verifier.calibrate_identification(strangers, 1 / 30, known=probes)
    found = verifier.identification
    assert (found.n_images, found.n_strangers, found.gallery_size) == (300, 300, 20)
    new = verifier.identify_many(images[320:])
    rate = np.mean([bool(matches) for matches in new])
    assert rate == pytest.approx(10 / 301, abs=4 * (0.033 / 1000 + 0.033 / 300) ** 0.5)
    missed = [
        [match.name for match in matches] != [name]
        for name, matches in zip(
            probes, verifier.identify_many([x for (x,) in probes.values()]), strict=True
        )
    ]
    assert found.fnir == np.mean(missed)
    assert "FNIR" in str(found)
    verifier.save_gallery(tmp_path / "g.npz")
    again = sv.Verifier(build(sv.CosineHead()), PREPROCESSING)
    again.load_gallery(tmp_path / "g.npz")
    assert again.identification == found
    assert again.identify(images[0])[0].name == "0"  # Without calibrate(pairs).


def test_a_gallery_that_has_outgrown_its_threshold_warns() -> None:
    verifier = make_enrolled()
    with warnings.catch_warnings(action="ignore"):
        verifier.calibrate_identification({f"{i}": [IMAGES[50 + i]] for i in range(10)}, 0.5)
    verifier.identify(IMAGES[0])
    verifier.enroll({"Eve": IMAGES[4:8]})
    with pytest.warns(UserWarning, match=r"has 2\.0 times the 4 templates"):
        verifier.identify(IMAGES[0])
    verifier.remove(["Eve"])
    verifier.identify(IMAGES[0])


@pytest.mark.parametrize("strangers", [{"Ada": [IMAGES[9]]}, {"Eve": [IMAGES[0]]}])
def test_strangers_that_are_enrolled_are_told(strangers: dict[str, list[np.ndarray]]) -> None:
    verifier = make_enrolled()
    others = {f"{i}": [IMAGES[50 + i]] for i in range(39)}
    (name,) = strangers
    with pytest.warns(CalibrationWarning, match=f"1 of 40 strangers are enrolled.*'{name}'"):
        verifier.calibrate_identification({**others, **strangers}, 0.25)


def test_an_empty_gallery_and_unknown_known_identities_raise() -> None:
    with pytest.raises(ValueError, match="No identity is enrolled"):
        sv.Verifier(build(), PREPROCESSING).calibrate_identification({"a": IMAGES[:9]}, 0.5)
    strangers = {f"{i}": [IMAGES[50 + i]] for i in range(40)}
    with pytest.raises(ValueError, match="'Adi' is not enrolled"):
        make_enrolled().calibrate_identification(strangers, 0.25, known={"Adi": IMAGES[:1]})


def test_a_record_comes_back() -> None:
    scores = np.arange(2000, dtype=np.float32)
    found = calibrate_identification(scores, [str(i) for i in range(2000)], 0.01, 10)
    assert IdentificationCalibration.from_dict(found.to_dict()) == found
