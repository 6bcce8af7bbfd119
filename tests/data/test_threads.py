"""Tests of work in threads."""

import threading

import pytest

from siamese_verify.data import threads
from siamese_verify.data.threads import in_threads


@pytest.mark.parametrize("n", [0, 1, 7, 8, 100])
def test_results_come_in_the_order_of_the_items(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_BLOCK", 16)
    assert list(in_threads(lambda i: i * i, range(n))) == [i * i for i in range(n)]


def test_items_wait_in_one_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_BLOCK", 16)
    begun: list[int] = []
    results = in_threads(begun.append, range(1_000))
    next(results)
    assert len(begun) <= 16
    results.close()


def test_the_first_error_ends_the_work() -> None:
    barrier = threading.Barrier(2, timeout=10)

    def fail(i: int) -> None:
        if i < 2:
            barrier.wait()  # Two items are worked on at the same time.
        if i:
            raise ValueError(f"item {i}")

    results = in_threads(fail, range(20))
    assert next(results) is None
    with pytest.raises(ValueError, match="item 1"):
        next(results)
