"""Tests of intervals against SciPy."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from siamese_verify.evaluation.intervals import (
    Z,
    star,
    student_p_value,
    student_quantile,
    wilson,
    wilson_of_dependent,
)


def test_an_estimate_is_a_number():
    figure = wilson(0.9, 100)
    assert figure > 0.5
    assert f"{figure:.2f}" == "0.90"
    assert str(figure) == "0.9000 [0.8256, 0.9448]"
    again = pickle.loads(pickle.dumps(figure))
    assert (again, again.low, again.high) == (figure, figure.low, figure.high)


def test_a_star_marks_a_conservative_estimate():
    assert star(wilson(0.9, 100)) == "0.9000 [0.8256, 0.9448]"
    assert star(wilson(0.9, 100, conservative=True)) == "0.9000 [0.8256, 0.9448] *"


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_equals_scipys(n, data):
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    actual = wilson(hits / n, n)
    assert (actual.low, actual.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_dependent_cases_is_wilsons_where_their_number_is_fixed():
    one, other = wilson_of_dependent(0.2, lambda rate: 50.0, Z), wilson(0.2, 50)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


@given(st.integers(1, 10_000))
def test_students_quantile_equals_scipys(degrees):
    assert student_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=6e-4)


@given(st.floats(-50, 50), st.integers(1, 3000))
def test_students_p_value_equals_scipys(t, degrees):
    expected = 2 * stats.t.sf(abs(t), degrees)
    assert student_p_value(t, degrees) == pytest.approx(expected, abs=1e-12)


@given(st.floats(-30, 30))
def test_students_p_value_is_the_normal_one_for_infinite_degrees(t):
    assert student_p_value(t, math.inf) == pytest.approx(2 * stats.norm.sf(abs(t)), rel=1e-9)
