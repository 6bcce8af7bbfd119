"""Tests of the band of scores for review, by counting."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_scores import draw_normal, few_values, labelled

from siamese_verify.evaluation.calibration import Calibration, CalibrationWarning, calibrate
from siamese_verify.evaluation.intervals import Estimate

REVIEW = ("frr=0.02", "far=0.02")


def draw(distance=2.0):
    return draw_normal(np.random.default_rng(0), 400, 400, distance)


def calibrated(distance=2.0):
    return calibrate(*draw(distance), "eer", review=REVIEW)


@given(labelled(few_values) | labelled(st.floats(-1e3, 1e3)))
def test_beyond_the_band_no_rate_exceeds_its_policy(pairs):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    with warnings.catch_warnings(action="ignore"):
        band = calibrate(scores, labels, review=("far=0.3", "frr=0.4")).review
    assert band.policies == ("frr=0.4", "far=0.3")
    assert np.mean(scores[labels == 1] < band.low) == band.frr <= 0.4
    assert np.mean(scores[labels == 0] >= band.high) == band.far <= 0.3
    inside = [score in band for score in scores.tolist()]
    assert band.same == np.mean(np.array(inside)[labels == 1])
    assert band.different == np.mean(np.array(inside)[labels == 0])


def test_the_band_holds_the_scores_between_both_ends():
    band = calibrated().review
    assert band.low < calibrated().threshold < band.high
    assert band.low in band
    assert band.high not in band
    assert 0.1 < band.same < 0.5
    assert band.same.low < band.same < band.same.high


def test_if_one_threshold_fulfils_both_policies_the_band_is_empty():
    calibration = calibrated(distance=8.0)
    band = calibration.review
    assert band.low == band.high == calibration.threshold
    assert calibration.threshold not in band
    assert (band.same, band.different) == (0, 0)


def test_a_threshold_beyond_the_band_warns():
    with pytest.warns(CalibrationWarning, match="is not in the band for review"):
        calibrate(*draw(), "far=0.01", review=("frr=0.1", "far=0.1"))


def test_too_few_pairs_for_an_end_warn():
    with pytest.warns(CalibrationWarning, match="'far=0.001' needs 3,838 impostor pairs"):
        calibrate(*draw(), "eer", review=("frr=0.02", "far=0.001"))


def test_a_band_survives_json_and_an_older_record_has_none():
    calibration = calibrated()
    record = json.loads(json.dumps(calibration.to_dict()))
    assert Calibration.from_dict(record) == calibration
    del record["review"]
    assert Calibration.from_dict(record) == dataclasses.replace(calibration, review=None)
    assert "review from" in str(calibration)


@pytest.mark.parametrize(
    "review",
    ["far=0.01", ("far=0.01",), ("far=0.01", "far=0.1"), ("eer", "far=0.1"), (), 0.5,
     ("frr=0.1", "far=0.1", "eer")],
)  # fmt: skip
def test_a_band_needs_a_highest_rate_of_either_kind(review):
    with pytest.raises(ValueError, match=r"`review` must be two policies.*Received: review="):
        calibrate(*draw(), review=review)


@pytest.mark.parametrize(
    ("name", "value"),
    [("low", np.nan), ("high", None), ("low", 99.0), ("frr", 0.1), ("same", Estimate(2, 1, 3)),
     ("policies", ("eer", "eer"))],
)  # fmt: skip
def test_every_setting_of_a_band_is_checked(name, value):
    with pytest.raises(ValueError, match="Received: "):
        dataclasses.replace(calibrated().review, **{name: value})
