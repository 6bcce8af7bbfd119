"""Tests of decisions and matches as records."""

import dataclasses
import json

import pytest
from verifiers import IMAGES, make_enrolled


def test_a_rejection_is_false_and_an_acceptance_true() -> None:
    verifier = make_enrolled()
    decisions = verifier.verify_many([(one, other) for one in IMAGES[:9] for other in IMAGES[:9]])
    verifier.calibration = dataclasses.replace(verifier.calibration, threshold=2.0)
    decisions += verifier.verify_many([(IMAGES[0], IMAGES[1])])
    assert {bool(decision) for decision in decisions} == {True, False}
    for decision in decisions:
        assert bool(decision) is decision.same is (decision.score >= decision.threshold)
        assert (type(decision.same), type(decision.score)) == (bool, float)


def test_a_decision_is_a_record() -> None:
    verifier = make_enrolled()
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
        "review": False,
        "unlike_validation": [],
    }
    with pytest.raises(TypeError):
        _, *_ = decision
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.same = True


def test_a_match_is_a_record() -> None:
    (match,) = make_enrolled().identify(IMAGES[0])
    assert match.to_dict() == {"name": "Ada", "score": match.score}
    with pytest.raises(TypeError):
        _, _ = match
