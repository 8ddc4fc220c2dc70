"""However often a run is interrupted, and when: result, store and resume agree."""

import sys
from pathlib import Path

import pytest
from bounded import TIMES
from interrupted import WAYS

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]
RUNS = min(10 * TIMES, 300)


@pytest.mark.parametrize("way", WAYS)
def test_random_signals_lose_nothing_and_leave_nothing_half_done(start, tmp_path, way):
    program = Path(__file__).parent / "interrupted.py"
    running = start(sys.executable, program, way, RUNS, TIMES, cwd=tmp_path)
    printed = running.ended(timeout=30 + 5 * RUNS)
    assert f"of {RUNS} in the middle of a run" in printed
    assert running.err == ""
    assert not list(tmp_path.glob("*.db"))
