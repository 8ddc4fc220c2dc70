"""A server that is busy, errs and hangs costs requests, and changes no byte of what is found."""

import json
import subprocess
import sys

import pytest

from benchmarks.over_http import MOST_A_CELL, ROOT


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_busy_server_is_asked_as_often_as_it_takes_and_no_more():
    command = [sys.executable, "-m", "benchmarks.over_http", "--replicates", "40", "--limit", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["cells"] for row in runs] == [120, 120]
    assert 0 < runs[1]["interrupted_after"] < 120
    for row in runs:
        assert row["same_bytes"] and not row["failed"]
        assert row["counts"]["500"] and row["counts"]["hangs"]
        assert row["requests_a_cell"] <= MOST_A_CELL
