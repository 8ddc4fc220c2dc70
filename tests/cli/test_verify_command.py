"""``crystallize verify``, as a user calls it."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults  # it takes long

CONFIG = """
[experiment]
name = "verified"
function = "verified_trials:trial"
replicates = 40
seed = 3
[conditions.a]
shift = 0.0
[conditions.b]
shift = 1.0
"""
TRIALS = """
import time
WORDS = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}
def trial(rng, shift):
    print("from the function")
    return {"x": rng.random() + shift}
def of_a_set(rng, shift):
    return {"first": next(iter(WORDS))}
def slow():
    print("waiting", flush=True)
    for _ in range(1200):
        time.sleep(0.05)
"""
QUICK = ["--strategy", "serial", "--strategy", "parallel"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "verified_trials.py").write_text(TRIALS)
    path = tmp_path / "experiment.toml"
    path.write_text(CONFIG)
    return path


def test_the_certificate_is_on_stdout_and_nothing_else(crystallize, config):
    done = crystallize("verify", config, *QUICK)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "verified: replicates 0 to 9 of 40 under 2 conditions, seed 3"
    assert lines[1].split()[:4] == ["strategy", "options", "distribution", "version"]
    assert lines[-1] == "the same byte for byte: 20 cells, 8 times"
    assert "from the function" in done.stderr


def test_the_certificate_is_data_too(crystallize, config):
    done = crystallize("verify", config, *QUICK, "--json", "--replicates", 3)

    content = json.loads(done.stdout)
    assert (content["same"], content["cells"], content["replicates"]) == (True, 6, 3)
    assert len({row["digest"] for row in content["rows"]}) == 1


def test_what_is_not_the_same_exits_with_one(crystallize, config):
    override = ["--set", "experiment.function=verified_trials:of_a_set"]
    done = crystallize("verify", config, "--strategy", "serial", *override)

    assert done.returncode == 1
    assert "NOT THE SAME byte for byte: condition 'a', replicate 0, 'first': '" in done.stdout
    assert "why: it depends on PYTHONHASHSEED" in done.stdout


@pytest.mark.parametrize("name", ["theirs.zip", "theirs.db"])
def test_a_study_is_run_again(crystallize, config, name):
    path = config.with_name(name)
    option = "--output" if name.endswith("zip") else "--store"
    assert crystallize("run", config, option, path).returncode == 0

    whole = crystallize("verify", config, "--against", path, "--set", "experiment.seed=")
    changed = ["--set", "conditions.b.shift=1.0000001"]
    other = crystallize("verify", config, "--against", path, *changed)
    nearly = crystallize("verify", config, "--against", path, *changed, "--tolerance", "1e-6")
    sample = crystallize("verify", config, "--against", path, "--replicates", 5, *QUICK)

    assert (whole.returncode, other.returncode, nearly.returncode) == (0, 1, 0), whole.stderr
    assert "every replicate of 40" in whole.stdout
    assert whole.stdout.splitlines()[-1] == "the same byte for byte: 80 cells, 2 times"
    assert re.search("why: condition 'b', .shift.*1.0.*1.0000001", other.stdout), other.stdout
    assert re.search("the same within 1e-06: 80 cells", nearly.stdout)
    assert sample.stdout.splitlines()[-1] == "the same byte for byte: 10 cells, 6 times"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replicates", "0"], "--replicates: expected a whole number, 1 or more, got 0."),
        (["--tolerance", "-1"], "--tolerance: expected a number, 0 or more"),
        (["--strategy", "serail"], "Did you mean 'serial'?"),
        (["--strategy", "async"], "it takes coroutine functions only"),
        (["--against", "missing.db"], "missing.db"),
        (["--set", "experiment.sede=3"], "Did you mean 'seed'?"),
        (["--againts", "x"], "--against"),
    ],
)
def test_a_wrong_call_exits_with_two_and_no_traceback(crystallize, config, arguments, message):
    done = crystallize("verify", config, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it(start, config):
    override = ["--set", "experiment.function=verified_trials:slow", "--set", "conditions="]
    command = [sys.executable, "-m", "crystallize", "verify", config, *override]
    running = start(*command, start_new_session=True)
    running.wait_for("waiting")
    running.send(signal.SIGINT, group=True)
    running.ended(code=130, timeout=10)
