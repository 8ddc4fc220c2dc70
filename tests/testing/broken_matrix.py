"""Which check finds which broken plugin: ``python broken_matrix.py`` writes docs/conformance.md.

Each broken plugin runs under its whole suite, in a process of its own.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

import broken_early_ends  # noqa: F401 - they say what is broken
import broken_ends  # noqa: F401
import broken_plugins  # noqa: F401
import broken_runs  # noqa: F401
import broken_streams  # noqa: F401
from broken import BROKEN
from harness import checks_of, failures, suite_of

from crystallize import testing

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
WRITTEN = re.compile(r"(<!-- matrix: written by [^>]*-->\n).*?(<!-- end of matrix -->)", re.DOTALL)
PATIENCE = 20.0
LIMIT = 120.0
"""Seconds after which a broken plugin is given up."""
SUITES = {name: getattr(testing, name) for name in testing.__all__ if name.endswith("Suite")}


def without_parameters(check):
    return check.partition("[")[0]


def in_words(check):
    return check.removeprefix("test_").replace("_", " ")


def checks():
    """Each check of each suite, with the suites that have it."""
    found = defaultdict(list)
    for name, suite in SUITES.items():
        for check in dict.fromkeys(map(without_parameters, checks_of(suite))):
            found[check].append(name)
    return found


def found(broken, limit=LIMIT):
    """The checks that a broken plugin fails, with their messages; in a process of its own."""
    with tempfile.TemporaryFile("w+") as file:
        program = subprocess.Popen(
            [sys.executable, __file__, "--one", broken.__name__],
            stdout=file,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            program.wait(limit)
        finally:
            program.kill()
            program.wait()
        file.seek(0)
        lines = [line.removeprefix("FAILED ") for line in file if line.startswith("FAILED ")]
    assert program.returncode == 0, f"{broken.__name__} ended with {program.returncode}"
    return dict(map(json.loads, lines))


def problem(broken, failed):
    """What is not as it is said of a broken plugin."""
    fault = BROKEN[broken]
    if fault.check not in failed:
        return f"{broken.__name__} is not found by {fault.check}, but by {list(failed)}"
    others = {without_parameters(check) for check in failed} - {without_parameters(fault.check)}
    if fault.alone and others:
        return f"{broken.__name__} is found by {sorted(others)} too"
    return None


def table(failed):
    """Check -> the broken plugins that it alone finds, and those that others find too."""
    alone, shared = defaultdict(list), defaultdict(list)
    for broken, labels in failed.items():
        names = dict.fromkeys(map(without_parameters, labels))
        for check in names:
            (alone if len(names) == 1 else shared)[check].append(f"`{broken.__name__}`")
    rows = ["| check | it alone finds | others find too |", "| --- | --- | --- |"]
    for check in checks():
        rows.append(
            f"| {in_words(check)} | {', '.join(alone[check])} | {', '.join(shared[check])} |"
        )
    return "\n".join(rows) + "\n"


def report_one(name):
    """Print the checks that one broken plugin fails."""
    broken = next(broken for broken in BROKEN if broken.__name__ == name)
    warnings.simplefilter("ignore")
    suite = suite_of(BROKEN[broken].suite, broken, patience=PATIENCE)
    with tempfile.TemporaryDirectory() as folder:
        for failure in failures(suite, folder):
            print("FAILED", json.dumps(failure), flush=True)


def report_all(names):
    """Run them all, say what is not as it is said, and write the page."""
    failed, problems = {}, []
    for broken in BROKEN:
        if names and broken.__name__ not in names:
            continue
        began = time.monotonic()
        try:
            failed[broken] = found(broken)
            wrong = problem(broken, failed[broken])
        except (AssertionError, subprocess.TimeoutExpired) as error:
            wrong = f"{broken.__name__}: {error}"
        problems += [wrong] if wrong else []
        print(f"{time.monotonic() - began:4.0f} s  {broken.__name__}  {wrong or ''}", flush=True)
        if wrong:
            for check, message in failed.get(broken, {}).items():
                print(f"        {check}: {message.splitlines()[0]:.200}", flush=True)
    if not names:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(WRITTEN.sub(rf"\g<1>{table(failed)}\g<2>", text), encoding="utf-8")
    return 1 if problems else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        report_one(sys.argv[2])
    else:
        sys.exit(report_all(sys.argv[1:]))
