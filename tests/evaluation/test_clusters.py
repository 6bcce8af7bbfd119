"""Tests of pairs that share identities, by brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.evaluation.clusters import Clusters, identity_codes

some_pairs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(-1, 1), st.floats(-1, 1)), min_size=1
)


@given(some_pairs)
def test_sums_run_over_all_pairs_that_share_identities(pairs):
    identities = np.array([pair[:2] for pair in pairs])
    x, y = (np.array([pair[i] for pair in pairs]) for i in (2, 3))
    clusters = Clusters(len(pairs), identities)
    both = list(itertools.product(pairs, pairs))
    sharing = sum(one[2] * other[3] for one, other in both if {*one[:2]} & {*other[:2]})
    same = sum(one[2] * other[3] for one, other in both if {*one[:2]} == {*other[:2]})
    assert clusters.sum_sharing(x, y) == pytest.approx(sharing, abs=1e-9)
    assert clusters.sum_same(x, y) == pytest.approx(same, abs=1e-9)


@given(some_pairs)
def test_pairs_of_unknown_identities_are_independent(pairs):
    x, y = (np.array([pair[i] for pair in pairs]) for i in (2, 3))
    unknown = Clusters(len(pairs), None)
    assert unknown.sum_sharing(x, y) == unknown.sum_same(x, y) == pytest.approx(x @ y)
    assert unknown.count(np.full(len(pairs), True)) == len(pairs)
    assert unknown.count_identities(np.full(len(pairs), True)) is None


@given(some_pairs, st.data())
def test_counts_are_of_distinct_identities_and_pairs_of_identities(pairs, data):
    chosen = np.array([data.draw(st.booleans()) for _ in pairs])
    identities = np.array([pair[:2] for pair in pairs])
    clusters, kept = Clusters(len(pairs), identities), identities[chosen]
    assert clusters.count(chosen) == len({frozenset(pair) for pair in kept.tolist()})
    assert clusters.count_identities(chosen) == len(set(kept.ravel().tolist()))


@pytest.mark.parametrize("kind", [str, object])
def test_a_name_in_both_forms_of_unicode_is_one_identity(kind: type):
    names = np.array([["Jos\u00e9", "Jose\u0301"], ["Ada", "Jose\u0301"]], kind)
    assert identity_codes(names).tolist() == [[1, 1], [0, 1]]
