"""``python -m crystallize``, and the command ``crystallize``."""

from __future__ import annotations

import os
import sys

RUNS_CELLS = ("plan", "replay", "run", "verify")
"""The commands under which the user's function runs."""
HASH_SEED = "PYTHONHASHSEED"


def command() -> None:
    """Run the command; where cells run, under a fixed hash seed."""
    runs_cells = sys.argv[1:2] and sys.argv[1] in RUNS_CELLS
    if runs_cells and _hashes_at_random() and _is_the_program():
        _start_again()
    from crystallize.cli import main

    main(prog_name="crystallize")


def _hashes_at_random() -> bool:
    # Without an environment, and where nobody knows the interpreter, it stays as it is.
    readable = sys.executable and not sys.flags.ignore_environment
    return bool(readable) and os.environ.get(HASH_SEED, "") in ("", "random")


def _is_the_program() -> bool:
    """Whether the interpreter was started for this; ``python -m mpi4py.futures`` runs others."""
    given = sys.orig_argv
    return "-m" not in given or given[given.index("-m") + 1 :][:1] == ["crystallize"]


def _start_again() -> None:
    """Start the same command under hash seed 0, by which sets of texts have one order everywhere.

    An interpreter cannot change its own.  Nothing was imported yet, so it takes no
    longer than that interpreter takes to start.
    """
    os.environ[HASH_SEED] = "0"
    arguments = [sys.executable, *sys.orig_argv[1:]]
    if os.name == "posix":
        os.execv(sys.executable, arguments)
    import signal
    import subprocess

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it goes to both of us, and is the other's
    sys.exit(subprocess.run(arguments, check=False).returncode)


if __name__ == "__main__":
    command()
