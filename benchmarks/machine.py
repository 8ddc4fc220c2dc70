"""What it ran on: everything that explains a number, nothing that names a person or a place."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("crystallize-core", "numpy", "joblib", "loky", "mpire", "psutil")
ROOT = Path(__file__).resolve().parents[1]


def processor() -> str:
    """The CPU's model."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Bytes of RAM, where psutil is there to tell."""
    try:
        import psutil
    except ModuleNotFoundError:
        return None
    return int(psutil.virtual_memory().total)


def described() -> dict[str, str]:
    """What it ran on, as text, in the order to show it in."""
    memory = memory_bytes()
    release = platform.release().partition("-")[0]  # what follows names a vendor's build
    shown = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _said("git", "rev-parse", "--short", "HEAD") or "unknown",
        "processor": processor(),
        "cores": str(cores()),
        "memory": "unknown" if memory is None else f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {release} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for package in PACKAGES:
        try:
            shown[package] = version(package)
        except PackageNotFoundError:
            continue
    return shown


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
