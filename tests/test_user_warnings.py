"""Tests of warnings: they point to the line of the user, from any depth of the package."""

import inspect
import warnings

import numpy as np
import pytest

from siamese_verify.evaluation.calibration import CalibrationWarning, calibrate

PACKAGE_CODE = """
from siamese_verify.user_warnings import warn_user

def warn(depth):
    if depth:
        warn(depth - 1)
    else:
        warn_user("a text", FutureWarning)
"""


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_a_warning_names_the_nearest_line_outside_of_the_package(depth: int) -> None:
    module = {"__name__": "siamese_verify.somewhere"}
    exec(PACKAGE_CODE, module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        module["warn"](depth)
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert (str(warning.message), warning.category) == ("a text", FutureWarning)


def test_a_package_of_a_similar_name_is_outside() -> None:
    module = {"__name__": "siamese_verify_extras"}
    exec(compile(PACKAGE_CODE, "extras.py", "exec"), module)
    with pytest.warns(FutureWarning) as caught:
        module["warn"](0)
    assert caught[0].filename == "extras.py"


def test_calibrate_warns_at_the_line_that_calls_it() -> None:
    with pytest.warns(CalibrationWarning) as caught:
        calibrate(np.arange(40.0), np.arange(40) // 20)
    assert {warning.filename for warning in caught} == {__file__}
