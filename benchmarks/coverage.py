"""Count by simulation how often 95% intervals hold the truth, and write docs/coverage.md.

    python benchmarks/coverage.py                       # settings that coverage.json lacks
    python benchmarks/coverage.py --output new.json     # all settings, about an hour

Scores are normal, so that all figures are known. Each identity has an effect on them and, in half
of the settings, each pair of identities has one too. The library's interval is compared with a
naive interval, which treats pairs as independent, and with a bootstrap over identities.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from siamese_verify.evaluation.report import EvaluationWarning, evaluate_scores
from siamese_verify.files import replacing

Normal = NormalDist()
KEPT = Path(__file__).with_name("coverage.json")
DOCS = Path(__file__).parents[1] / "docs" / "coverage.md"
MAX_PAIRS = 20_000
GENUINE, IMPOSTOR = 10, 25  # pairs of each identity, and of each two identities
DISTANCE = 3.0  # from the impostor mean to the genuine mean, in standard deviations
FARS = (0.1, 0.01, 0.001)
# Shares of the variance of impostor scores due to identities, and to pairs of identities.
EFFECTS = {"identities": (0.3, 0.0), "identities and pairs": (0.1, 0.8)}
COUNTS = (10, 20, 50, 200)
REPLICATES = 200


def truth(genuine_share: float) -> dict[str, float]:
    """Compute all true figures, at the thresholds where FAR is one of `FARS`."""
    figures = {"AUC": Normal.cdf(DISTANCE / 2**0.5), "EER": Normal.cdf(-DISTANCE / 2)}
    for far in FARS:
        threshold = Normal.inv_cdf(1 - far)
        frr = Normal.cdf(threshold - DISTANCE)
        accuracy = 1 - genuine_share * frr - (1 - genuine_share) * far
        figures |= {
            f"FAR {far:g}": far,
            f"FRR {far:g}": frr,
            f"accuracy {far:g}": accuracy,
            f"TAR {far:g}": 1 - frr,
        }
    return figures


def draw(rng: np.random.Generator, n: int, effects: tuple[float, float]) -> tuple[Any, Any, Any]:
    """Draw scores, labels and identities of all pairs of `n` identities."""
    identity_share, pair_share = effects
    a, b = np.triu_indices(n, 1)
    times = max(1, min(IMPOSTOR, (MAX_PAIRS - GENUINE * n) // len(a)))
    identity = rng.normal(size=n)
    genuine = (
        identity + rng.normal(size=n)
    ) / 2**0.5  # Half of the variance is shared with impostor pairs.
    genuine_scores = DISTANCE + mixed(rng, genuine, identity_share + pair_share / 2, GENUINE)
    effect = (identity_share / 2) ** 0.5 * (identity[a] + identity[b])
    effect += pair_share**0.5 * rng.normal(size=len(a))
    share = identity_share + pair_share
    scores = np.append(genuine_scores, mixed(rng, effect / share**0.5, share, times))
    everyone = np.arange(n)
    identities = np.concatenate(
        [np.repeat(np.stack(x, 1), k, 0) for x, k in (((everyone,) * 2, GENUINE), ((a, b), times))]
    )
    labels = np.repeat([1, 0], [GENUINE * n, times * len(a)])
    chosen = rng.random(len(labels)).argsort()[:MAX_PAIRS]
    return scores[chosen], labels[chosen], identities[chosen]


def mixed(rng: np.random.Generator, effect: Any, share: float, times: int) -> Any:
    """Repeat each effect, and add noise, such that the effect makes `share` of the variance."""
    repeated = np.repeat(effect, times)
    return share**0.5 * repeated + (1 - share) ** 0.5 * rng.normal(size=len(repeated))


def intervals(scores: Any, labels: Any, identities: Any) -> dict[str, tuple[float, float, bool]]:
    """Return both ends of each figure's interval, and whether it is conservative."""
    found = {}
    for far in FARS:
        report = evaluate_scores(scores, labels, Normal.inv_cdf(1 - far), identities)
        if far == FARS[0]:
            found |= {"AUC": report.auc, "EER": report.eer}
        found |= {
            f"FAR {far:g}": report.far,
            f"FRR {far:g}": report.frr,
            f"accuracy {far:g}": report.accuracy,
            f"TAR {far:g}": report.tar(far),
        }
    return {name: (x.low, x.high, x.conservative) for name, x in found.items()}


def bootstrap(
    rng: np.random.Generator, scores: Any, labels: Any, identities: Any, n: int
) -> dict[str, tuple[float, float, bool]]:
    """Compute percentiles over samples of identities, in which pairs count as often as these."""
    order = np.argsort(-scores)
    scores, same, (a, b) = scores[order], labels[order] == 1, identities[order].T
    rows = []
    for _ in range(REPLICATES):
        times = np.bincount(rng.integers(n, size=n), minlength=n).astype(float)
        weights = np.where(same, times[a], times[a] * times[b])
        kinds = [np.append(0, np.cumsum(weights * kind)) for kind in (same, ~same)]
        if not all(kind[-1] for kind in kinds):
            continue
        tar, far = (kind / kind[-1] for kind in kinds)
        crossing = int(np.argmax(far >= 1 - tar))
        row = {
            "AUC": float(np.sum(np.diff(far) * (tar[1:] + tar[:-1]) / 2)),
            "EER": float(far[crossing] + 1 - tar[crossing]) / 2,
        }
        for rate in FARS:
            at = np.searchsorted(-scores, -Normal.inv_cdf(1 - rate), "right")
            wrong = kinds[0][-1] - kinds[0][at] + kinds[1][at]
            row |= {
                f"FAR {rate:g}": far[at],
                f"FRR {rate:g}": 1 - tar[at],
                f"accuracy {rate:g}": 1 - wrong / (kinds[0][-1] + kinds[1][-1]),
                f"TAR {rate:g}": tar[np.searchsorted(far, rate, "right") - 1],
            }
        rows.append(row)
    return {
        name: (*np.quantile([row[name] for row in rows], [0.025, 0.975]).tolist(), False)
        for name in rows[0]
    }


def measure(n: int, effects: str, draws: int, seed: int) -> dict[str, Any]:
    """Measure coverage, mean width, and share of conservative intervals, by method and figure."""
    rng = np.random.default_rng([seed, n, list(EFFECTS).index(effects)])
    held: dict[str, dict[str, list[tuple[bool, float, bool]]]] = {}
    for i in range(draws):
        scores, labels, identities = draw(rng, n, EFFECTS[effects])
        true = truth(float(labels.mean()))
        methods = {
            "library": intervals(scores, labels, identities),
            "naive": intervals(scores, labels, None) if i < draws // 10 else {},
            "bootstrap": bootstrap(rng, scores, labels, identities, n) if i < draws // 10 else {},
        }
        for method, found in methods.items():
            for name, (low, high, conservative) in found.items():
                kept = held.setdefault(method, {}).setdefault(name, [])
                kept.append((low <= true[name] <= high, high - low, conservative))
    summary = {
        method: {name: np.mean(kept, axis=0).round(4).tolist() for name, kept in figures.items()}
        for method, figures in held.items()
    }
    return {"n": n, "effects": effects, "draws": draws, **summary}


PAGE = """\
# Coverage of the intervals

A 95% interval should hold the truth in 95 of 100 repetitions. This page counts how often it does.
The scores are simulated, so that all true figures are known. `python benchmarks/coverage.py` writes
this page.

- Each draw has {genuine} genuine pairs for each identity, and up to {impostor} impostor pairs for
  each two identities. The total is at most {most:,} pairs.
- Genuine scores lie {distance:g} standard deviations higher than impostor scores.
- Each identity has an effect on the scores of its impostor pairs. In the second table, each pair of
  identities has an effect too.
- Each identity also has an effect on its genuine scores. The two effects are correlated.
- FAR, FRR, accuracy and TAR are measured at FAR 0.1, 0.01 and 0.001.
- `library` is the interval of `evaluate_scores`. `naive` treats pairs as independent. `bootstrap`
  samples identities {replicates} times. The last two are counted on a tenth of the draws.
- Each cell shows the coverage and, in parentheses, the mean width of the interval.
- A star marks intervals that are `conservative` in most draws. They may hold the truth more often,
  because no narrower interval can be defended.
- An interval is conservative if it rests on fewer than 30 identities, or on fewer than 30 distinct
  pairs of identities with an error. A TAR is also conservative if fewer than 30 errors are expected
  at its FAR.
"""


def page(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield PAGE.format(
        genuine=GENUINE,
        impostor=IMPOSTOR,
        most=MAX_PAIRS,
        distance=DISTANCE,
        replicates=REPLICATES,
    )
    for effects, (identity_share, pair_share) in EFFECTS.items():
        chosen = [result for result in results if result["effects"] == effects]
        yield f"\n## Effects of {effects}\n"
        yield (
            f"The identities make {identity_share:.0%} of the variance of impostor scores, and "
            f"pairs of identities {pair_share:.0%}. Each row has {chosen[0]['draws']:,} draws.\n"
        )
        yield "| identities | figure | library | naive | bootstrap |"
        yield "|---|---|---|---|---|"
        for result in chosen:
            for name in sorted(result["library"]):
                yield f"| {' | '.join([str(result['n']), name, *cells(result, name)])} |"


def cells(result: dict[str, Any], name: str) -> Iterator[str]:
    """Yield coverage and mean width by each method."""
    for method in ("library", "naive", "bootstrap"):
        held, width, conservative = result[method][name]
        star = "\\*" if method == "library" and conservative > 0.5 else ""
        yield f"{100 * held:.1f}%{star} ({width:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=1000, help="draws of each setting")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws")
    parser.add_argument(
        "--output", type=Path, default=KEPT, help="JSON file, whose settings are kept"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", EvaluationWarning)
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    done = {(result["n"], result["effects"]) for result in results}
    for n, effects in itertools.product(COUNTS, EFFECTS):
        if (n, effects) in done:
            continue
        start = time.perf_counter()
        results.append(measure(n, effects, arguments.draws, arguments.seed))
        print(f"{n} identities, {effects}: {time.perf_counter() - start:.0f} s", flush=True)
        with replacing(arguments.output) as unfinished:
            unfinished.write_text(json.dumps(results, indent=1) + "\n")
    with replacing(DOCS) as unfinished:
        unfinished.write_text("\n".join(page(results)) + "\n")


if __name__ == "__main__":
    main()
