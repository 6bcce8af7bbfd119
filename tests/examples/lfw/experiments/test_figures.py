import json

import pytest
from experiments import figures
from experiments.run import RESULTS

pytestmark = pytest.mark.skipif(not RESULTS.is_dir(), reason="the results are not there")


@pytest.mark.parametrize("name", ["by-identity-seed0", "unrestricted-seed0"])
def test_kept_figures_equal_the_figures_that_the_run_measured(name: str) -> None:
    kept = json.loads((RESULTS / name / "figures.json").read_text())["best"]
    report = figures.evaluate_run(RESULTS / name)
    assert report.accuracy == pytest.approx(kept["accuracy_at_threshold"], abs=1e-3)
    assert report.accuracy.low < report.accuracy - 0.01
    assert report.eer == pytest.approx(kept["equal_error_rate"], abs=2e-3)
