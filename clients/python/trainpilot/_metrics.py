"""What a library measured, under the names that the experiment has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def picked(names: Mapping[str, str], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Of `measured`, what `names` gives for each metric. Raises LookupError with what there is if one is missing."""
    missing = [own for own in names.values() if own not in measured]
    if missing:
        raise LookupError(f"{', '.join(missing)} was not measured; there are {', '.join(sorted(measured)) or 'none'}")
    return {name: measured[own] for name, own in names.items()}
