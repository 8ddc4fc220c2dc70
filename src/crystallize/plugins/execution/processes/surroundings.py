"""What a worker takes over from its driver when it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from sysconfig import get_path


@dataclass(frozen=True)
class Surroundings:
    """What a worker takes over from its driver when it starts.

    A worker from other surroundings would run an edited module's old code, or
    look for files in another folder.
    """

    process: tuple[int, str | None, Mapping[str, str]]
    modules: Mapping[str, int]
    """File -> time of its last change, of every module that is not installed."""

    @classmethod
    def now(cls) -> Surroundings:
        modules = {}
        for name in sys.modules.keys() - _unchanging:
            if (module := sys.modules.get(name)) is None:  # removed meanwhile
                continue
            file = getattr(module, "__file__", None)
            if not isinstance(file, str) or file.startswith(_INSTALLED):
                _unchanging.add(name)
            else:
                with suppress(OSError):
                    modules[file] = os.stat(file).st_mtime_ns  # noqa: PTH116 - hundreds a run
        return cls((os.getpid(), working_folder(), dict(os.environ)), modules)

    def still_hold(self, now: Surroundings) -> bool:
        """Whether a worker from here would start the same now; new modules do not matter."""
        return self.process == now.process and self.modules.items() <= now.modules.items()


def working_folder() -> str | None:
    """Where this process works, or ``None`` where that was deleted."""
    with suppress(FileNotFoundError):
        return str(Path.cwd())
    return None


_unchanging: set[str] = set()
"""Names of installed modules, of which there are many."""
_INSTALLED = (
    # What this process has loaded of ours is what a worker is to have, whatever the files say now.
    str(Path(__file__).parents[3]),
    *{path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := get_path(name))},
)
