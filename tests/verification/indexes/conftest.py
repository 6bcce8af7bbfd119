"""Fixture of the tests of indexes."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def _codes_in_any_order() -> Iterator[None]:
    """Leave out that FAISS orders its codes for searches by Hamming distance, in six seconds.

    The package searches otherwise, for which the order has no influence.
    """
    try:
        import faiss
    except ImportError:
        yield
        return

    def factory(size: int, form: str, metric: int) -> Any:
        return made(size, f"{form}np" if form.endswith("x8") else form, metric)

    made = faiss.index_factory
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faiss, "index_factory", factory)
        yield
