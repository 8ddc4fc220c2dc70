"""Measurements that need a fresh process each: start one, read what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def command(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this package in a fresh process."""
    return [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]


def answer(printed: str) -> dict[str, Any]:
    """What a child measured: the last line that it printed."""
    lines = printed.strip().splitlines()
    if not lines:
        raise RuntimeError("A measuring process printed nothing.")
    return dict(json.loads(lines[-1]))


def measured(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module to its end; its answer."""
    done = subprocess.run(
        command(module, *arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return answer(done.stdout)
