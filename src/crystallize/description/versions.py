"""The versions that numbers may depend on."""

from __future__ import annotations

import platform
from functools import cache

import importlib_metadata
import numpy as np


@cache
def _crystallize_version() -> str:
    return importlib_metadata.version("crystallize-core")


def versions() -> dict[str, str]:
    """The versions that numbers may depend on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "crystallize-core": _crystallize_version(),
    }
