"""The classes that a file of Keras can name, imported as soon as Keras is.

Keras loads only classes that are registered, which importing their modules does. These modules need
Keras, which takes seconds to import, and pair lists and `--help` do not need it. So the modules are
imported when both packages have been, in either order. A documented call would do the same later,
but Keras's error ("could not locate class") would not lead there.

`sys.meta_path` is how Python tells of an import. The entry here finds no module itself. It passes
the import on, acts when the module is complete, and removes itself once the classes are known.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = __name__.partition(".")[0]


class ImportWatcher:
    """Entry of `sys.meta_path` that imports modules once Keras has been imported.

    Keras may be imported by a module of this package that is itself half imported. Modules that
    need it could not be imported then. So the watcher waits until no import that it has seen, of
    Keras or of this package, is under way.

    Args:
        modules: Names of the modules to import.
        package: Package whose imports are waited for.
        trigger: Module whose import is the signal.
    """

    def __init__(self, modules: Sequence[str], package: str = _PACKAGE, trigger: str = "keras"):
        self._modules, self._package, self._trigger = modules, package, trigger
        self._lock = threading.Lock()
        self._under_way = 0

    def start(self) -> None:
        """Import the modules now if Keras has been imported, and otherwise watch for it."""
        if self._trigger in sys.modules:
            self._import_all()
        else:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module as the other entries do, and watch its import."""
        if name != self._trigger and not name.startswith(f"{self._package}."):
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            loader: Any = spec.loader  # A loader serves one module.
            loader.exec_module = functools.partial(self._execute, loader.exec_module, loader)
        return spec

    def _execute(self, execute: Any, loader: Any, module: ModuleType) -> None:
        loader.exec_module = execute
        self._count(1)
        try:
            execute(module)
        finally:
            is_last = self._count(-1) == 0
        if is_last and self._trigger in sys.modules and self in sys.meta_path:
            sys.meta_path.remove(self)
            self._import_all()

    def _count(self, change: int) -> int:
        with self._lock:
            self._under_way += change
            return self._under_way

    def _import_all(self) -> None:
        for module in self._modules:
            importlib.import_module(module)
