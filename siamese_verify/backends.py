"""Differences between Keras's backends that model code must know."""

from __future__ import annotations

import contextlib
from typing import Any

import keras


def on_cpu() -> bool:
    """Tell whether tensors are made on a CPU."""
    if keras.backend.backend() != "torch":
        return all(name.startswith("cpu") for name in keras.distribution.list_devices())
    # Keras lists no devices of torch. On the device "meta", it only derives shapes.
    return keras.ops.convert_to_tensor(0).device.type in ("cpu", "meta")


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Make a block in which torch keeps no intermediate results for gradients.

    The other backends keep them only where a gradient is asked for.
    """
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def portable(config: Any) -> Any:
    """Name optimizers in a configuration as every backend knows them.

    With torch, Keras names them after classes that only its torch backend has.
    """
    if isinstance(config, list):
        return [portable(part) for part in config]
    if not isinstance(config, dict):
        return config
    parts = {name: portable(part) for name, part in config.items()}
    if str(parts.get("module")).startswith("keras.src.backend.torch.optimizers."):
        parts |= {"module": "keras.optimizers", "registered_name": None}
    return parts
