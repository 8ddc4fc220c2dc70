"""What does not fit into memory is said before it is filled, and what finished is kept."""

import subprocess
import sys

import pytest

from crystallize import Experiment, TooLargeError


@pytest.mark.parametrize("replicates", [10**12, 10**20])
def test_replicates_that_no_machine_has_room_for_are_refused_before_the_first(replicates):
    def trial():
        raise AssertionError

    with pytest.raises(TooLargeError, match=f"{replicates:,} cells need at least .* Give fewer"):
        Experiment(trial, replicates=replicates).run()


LIMITED = """
import resource, sys
import numpy as np
from crystallize import Experiment, TooLargeError
if sys.argv[1] == "limited":
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))

def trial(replicate):
    return {"ok": 1.0, "large": np.full(100_000, float(replicate))}

try:
    Experiment(trial, replicates=10**7, seed=1, store="cells.db").run()
except TooLargeError as error:
    print(error)
    print(error.result.done["baseline"].sum(), error.result.metrics["baseline"]["large"][0][-1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize("memory", ["limited", "all"])
def test_a_column_that_does_not_fit_ends_the_run_and_keeps_what_finished(tmp_path, memory):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, memory],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    message, kept = done.stdout.splitlines()
    assert "Condition 'baseline', metric 'large': 800,000 bytes in each of 10,000,000" in message
    assert "write it to a file" in message
    assert kept == "1 0.0"
    assert done.stderr == ""
