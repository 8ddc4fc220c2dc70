"""Which check catches which broken plugin: ``python matrix.py [NAME ...]``.

Each broken plugin runs under its whole suite, in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import broken_ends  # noqa: F401
import broken_runs  # noqa: F401
import broken_streams  # noqa: F401
from broken import BROKEN
from harness import failures, suite_of

PATIENCE = 12.0
LIMIT = 60.0
"""Seconds after which a broken plugin is given up, with the checks that had failed by then."""


def failing(name):
    """The checks that fail for one broken plugin, each as soon as it has."""
    broken = next(broken for broken in BROKEN if broken.__name__ == name)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for label, problem in failures(
            suite_of(BROKEN[broken][0], broken, patience=PATIENCE), folder
        ):
            print(json.dumps([label, problem.splitlines()[0]]), file=sys.stderr, flush=True)


def found(name, limit=LIMIT):
    """The same in a process of its own, and for how many seconds that went on."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as err:
        program = subprocess.Popen(
            [sys.executable, __file__, "--one", name],
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
        )
        try:
            program.wait(limit)
            over = program.returncode
        except subprocess.TimeoutExpired:
            over = "timeout"
            program.kill()
            program.wait()
        err.seek(0)
        lines = err.read().splitlines()
    return (
        [json.loads(l) for l in lines if l.startswith('["')],
        time.monotonic() - began,
        over,
        [l for l in lines if not l.startswith('["')],
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        failing(sys.argv[2])
    else:
        names = sys.argv[1:] or [broken.__name__ for broken in BROKEN]
        for name in names:
            problems, seconds, over, rest = found(name, 150)
            print(
                name,
                f"{seconds:.0f}s",
                over,
                "WANTED",
                [v[1] for k, v in BROKEN.items() if k.__name__ == name],
                "FOUND",
                flush=True,
            )
            for p in problems:
                print("    ", p, flush=True)
            if over not in (0, "timeout"):
                print("     ERR", rest[-5:], flush=True)
