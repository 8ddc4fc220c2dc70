"""How much memory a process, or a family of them, holds."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

SAMPLE_SECONDS = 0.03
SHARED_FOLDER = Path("/dev/shm")
KIB = 1024


def _status(field: str) -> int | None:
    """A field of this process's status in bytes, where the system has one."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * KIB
    except OSError:
        pass
    return None


def resident() -> int:
    """Bytes of this process that are in memory now."""
    found = _status("VmRSS")
    if found is None:
        import psutil

        found = psutil.Process().memory_info().rss
    return found


def peak() -> int:
    """The most bytes of this process that were in memory at once."""
    # Not ru_maxrss where there is better: on Linux it starts at what the parent had.
    found = _status("VmHWM")
    if found is not None:
        return found
    import psutil

    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):
        return int(info.peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else KIB
    )


def forget_peak() -> None:
    """Start the peak anew from what is held now, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def shared_files() -> int:
    """Bytes of all files in shared memory."""
    total = 0
    for folder, _, names in os.walk(SHARED_FOLDER):  # which passes over folders that have gone
        for name in names:
            with suppress(OSError):  # it went meanwhile
                total += (Path(folder) / name).stat().st_blocks * 512
    return total


def _proportional(pid: int) -> dict[str, int] | None:
    """PSS by kind, in bytes, where the kernel tells: pages of several are divided among them."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    kinds = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name.startswith("Pss"):
            kinds[name] = int(rest.split()[0]) * KIB
    return kinds


def family_bytes(pid: int, files_before: int) -> int:
    """What a process and its descendants hold, shared pages and shared files counted once."""
    import psutil

    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    own = mapped = 0
    for process in family:
        kinds = _proportional(process.pid)
        if kinds is None:
            try:
                full = process.memory_full_info()
                own += getattr(full, "pss", 0) or full.uss
            except psutil.Error:
                continue
        elif "Pss_Shmem" in kinds:
            own += kinds["Pss"] - kinds["Pss_Shmem"]
            mapped += kinds["Pss_Shmem"]
        else:
            own += kinds.get("Pss", 0)
    # A file in shared memory is held whether or not its pages are mapped by anyone.
    return own + max(mapped, shared_files() - files_before)


class Watched:
    """A child process, with what its family holds sampled while it runs.

    Parameters
    ----------
    command : list of str
    folder : Path
        Where it runs.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        before = shared_files()
        self._samples: list[tuple[float, int]] = []
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        over = threading.Event()

        def sample() -> None:
            while not over.wait(SAMPLE_SECONDS):
                self._samples.append((time.monotonic(), family_bytes(process.pid, before)))

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            self.printed, _ = process.communicate()
        finally:
            over.set()
            thread.join()
        if process.returncode:
            raise RuntimeError(f"A measuring process ended with {process.returncode}.")

    def held(self, began: float, ended: float) -> tuple[float, float]:
        """The median and the most of the bytes held in a stretch of monotonic time."""
        during = [held for when, held in self._samples if began <= when <= ended]
        if not during:
            return float("nan"), float("nan")
        return float(statistics.median(during)), float(max(during))
