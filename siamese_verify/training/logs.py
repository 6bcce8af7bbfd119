"""Type of the logs that Keras hands to callbacks."""

from __future__ import annotations

from typing import Any

Logs = dict[str, Any] | None
