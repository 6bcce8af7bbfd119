"""Tests of how many impostor pairs a false accept rate needs."""

import numpy as np
import pytest
from scipy.stats import norm

from siamese_verify.far import lowest_far, pairs_for_far


@pytest.mark.parametrize("far", [0.3, 0.1, 0.01, 0.001, 1e-6])
def test_the_interval_of_a_rate_ends_above_zero_from_this_number_of_pairs(far: float):
    def lower_end(n: int) -> float:
        return far + norm.ppf(0.025) * np.sqrt(far * (1 - far) / n)

    n = pairs_for_far(far)
    assert lower_end(n) >= -1e-12
    assert lower_end(n - 1) < 0
    assert lowest_far(n) <= far < lowest_far(n - 1)
