from dataclasses import replace
from typing import Any

import pytest
from networks import build_networks
from recipes import RECIPES

import siamese_verify as sv


def test_the_first_recipe_has_the_reports_settings() -> None:
    report = RECIPES["report"]
    assert (report.tower, report.image_size, report.batch_size) == ("koch2015", 105, 128)
    assert (report.optimizer, report.learning_rate, report.l2) == ("adam", 1e-5, 0.001)
    assert (report.validation, report.patience) == (0.15, 10)
    assert (report.batch_norm, report.dropout, report.unconstrained_head) == (False, 0.0, True)
    assert build_networks(report, 0).tower.count_params() == 38_947_648


@pytest.mark.parametrize(
    ("recipe", "unconstrained"),
    [
        (replace(RECIPES["report"], tower="small"), True),
        (replace(RECIPES["report"], tower="small", unconstrained_head=False), False),
        (RECIPES["drawn"], False),
    ],
)
def test_the_head_is_unconstrained_only_where_the_recipe_says_so(
    recipe: Any, unconstrained: bool
) -> None:
    head = build_networks(recipe, 0).verification.head
    assert isinstance(head, sv.WeightedL1Head)
    assert head.unconstrained == unconstrained


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("report", {"loss": "margin_softmax"}, "`loss` requires labels='names'"),
        ("unrestricted", {"split_by": "pair"}, "`labels` requires split_by='identity'"),
        ("report", {"identities_share": 0.5}, "`identities_share` requires labels='names'"),
        ("unrestricted", {"identities_share": 1.5}, "a share above 0 and at most 1"),
        ("report", {"per_identity": 4}, "`per_identity` requires labels='names'"),
        ("report", {"flip_average": True}, "`flip_average` requires another loss"),
        ("restricted", {"batch_norm": True}, "`batch_norm` requires a plain tower"),
    ],
)
def test_fields_that_do_not_fit_together_raise(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"Recipe '{name}': .*{message}.*Received: "):
        replace(RECIPES[name], **changes)
