"""Tests of samples: their names, their groups and their errors."""

import copy
import pickle

import pytest
from image_folders import NFC, NFD

from siamese_verify.data.samples import Sample, group_by_identity


@pytest.mark.parametrize("name", [NFC, NFD])
def test_an_identity_is_the_same_in_either_form(name: str):
    sample = Sample("1.png", name)
    assert sample == ("1.png", NFC)
    assert sample._replace(path="2.png", identity=NFD).identity == NFC
    assert Sample._make(("1.png", NFD)).identity == NFC
    assert copy.deepcopy(sample) == pickle.loads(pickle.dumps(sample)) == sample
    assert repr(sample) == f"Sample(path='1.png', identity='{NFC}')"


def test_a_path_keeps_its_form_since_a_disk_can_hold_both():
    assert [Sample(form, "Ada").path for form in (NFC, NFD)] == [NFC, NFD]


def test_samples_are_grouped_by_identity_in_either_form():
    samples = [Sample("1.png", NFD), Sample("2.png", "Ada"), Sample("3.png", NFC)]
    assert group_by_identity(samples) == {"Ada": [samples[1]], NFC: [samples[0], samples[2]]}


@pytest.mark.parametrize("bad", [["x" * 100_000], [Sample("x" * 100_000 + "\n", "Ada")] * 2])
def test_an_error_about_a_sample_is_short_and_on_one_line(bad: list[object]):
    with pytest.raises((TypeError, ValueError)) as caught:
        group_by_identity(bad)
    assert len(str(caught.value)) < 1_000
    assert str(caught.value).isprintable()
