"""Metrics of a service in the text format of Prometheus."""

from __future__ import annotations

import bisect
from collections import Counter

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of seconds."""


class Metrics:
    """Counts of requests, of their seconds and of decisions."""

    def __init__(self) -> None:
        self.in_flight, self.seconds = 0, 0.0
        self.decisions: Counter[str] = Counter(same=0, different=0)
        self._requests: Counter[int] = Counter()
        self._buckets = [0] * (len(BOUNDS) + 1)

    def add(self, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests[status] += 1
        if status == 200:
            self.seconds += seconds
            self._buckets[bisect.bisect_left(BOUNDS, seconds)] += 1

    def text(self) -> str:
        """Write all metrics."""
        lines = ["# TYPE verify_requests_total counter"]
        for status, count in sorted(self._requests.items()):
            lines.append(f'verify_requests_total{{status="{status}"}} {count}')
        lines.append("# TYPE verify_decisions_total counter")
        for decision, count in self.decisions.items():
            lines.append(f'verify_decisions_total{{decision="{decision}"}} {count}')
        lines += ["# TYPE verify_in_flight gauge", f"verify_in_flight {self.in_flight}"]
        lines.append("# TYPE verify_seconds histogram")
        total = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'verify_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"verify_seconds_sum {self.seconds}", f"verify_seconds_count {total}"]
        return "\n".join(lines) + "\n"
