"""Verification with Siamese networks: do two images show the same identity, part or product?

`__init__.pyi` lists the public names, once each. A name is imported when it is first used, so that
pair lists can be read without TensorFlow.
"""

import ast
import importlib
from pathlib import Path
from typing import Any

from siamese_verify.keras_classes import ImportWatcher as _ImportWatcher

_STUB = Path(__file__).with_suffix(".pyi")
_MODULES = {
    name.name: str(statement.module)
    for statement in ast.parse(_STUB.read_text(encoding="utf-8")).body
    if isinstance(statement, ast.ImportFrom)
    for name in statement.names
}
# The modules that register classes with Keras. The others are imported when they are used.
_KERAS_CLASSES = tuple(f"{__name__}.{part}" for part in ("layers", "model", "training"))
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_ImportWatcher(
    [module for module in _MODULES.values() if module.startswith(_KERAS_CLASSES)]
).start()
