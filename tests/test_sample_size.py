"""Tests of how many pairs a low error rate needs."""

import numpy as np
import pytest
from scipy.stats import norm

from siamese_verify.sample_size import lowest_rate, pairs_for_rate


@pytest.mark.parametrize("rate", [0.3, 0.1, 0.01, 0.001, 1e-6])
def test_the_interval_of_a_rate_ends_above_zero_from_this_number_of_pairs(rate: float):
    def lower_end(n: int) -> float:
        return rate + norm.ppf(0.025) * np.sqrt(rate * (1 - rate) / n)

    n = pairs_for_rate(rate)
    assert lower_end(n) >= -1e-12
    assert lower_end(n - 1) < 0
    assert lowest_rate(n) <= rate < lowest_rate(n - 1)
