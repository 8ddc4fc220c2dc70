"""How failed cells are tried again: what is refused, how long they wait, what a config says."""

from pathlib import Path
from typing import Any

import pytest

from crystallize import ConfigError, CrystallizeError, Experiment, Retry
from crystallize.description.config import read_config
from crystallize.description.from_config import experiment_arguments


def trial(rng):
    return rng.random()


def waits(retry, attempts, draw=0.5):
    return [retry.seconds_after(attempt, lambda: draw) for attempt in range(1, attempts + 1)]


def test_waits_grow_up_to_the_longest():
    assert waits(Retry(9, wait=0.5), 4) == [0.5, 1.0, 2.0, 4.0]
    assert waits(Retry(9, wait=1, backoff=3, at_most=5), 4) == [1.0, 3.0, 5.0, 5.0]
    assert waits(Retry(9, wait=1, backoff=1), 3) == [1.0, 1.0, 1.0]
    assert Retry(9, wait=1).seconds_after(5000, lambda: 0.5) == 60.0
    assert waits(Retry(9), 3) == [0.0, 0.0, 0.0]


def test_jitter_is_a_share_of_the_wait():
    jittery = Retry(9, wait=1.0, jitter=0.5, at_most=2.2)
    assert waits(jittery, 3, draw=0.0) == [0.5, 1.0, 2.0]
    assert waits(jittery, 3, draw=1.0) == [1.5, 2.2, 2.2]


def test_the_share_of_a_try_is_the_replicates_own():
    seeding = Experiment(trial, seed=5).spec.seeding
    shares = {(r, a): seeding.share_of_try(r, a) for r in range(50) for a in (1, 2)}
    assert shares[7, 2] == Experiment(trial, seed=5).spec.seeding.share_of_try(7, 2)
    assert len(set(shares.values())) == 100
    assert 0 <= min(shares.values()) < 0.1 and 0.9 < max(shares.values()) < 1


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"times": -1}, "times: expected a whole number, 0 or more, got -1"),
        ({"times": 2.5}, "times: expected a whole number, 0 or more, got 2.5"),
        ({"wait": -0.1}, "wait: expected a number, 0 or more, got -0.1"),
        ({"wait": float("nan")}, "wait: expected a number, 0 or more, got nan"),
        ({"wait": 61}, r"wait: expected at most as long as at_most \(60 s\), got 61.0"),
        ({"backoff": 0.5}, "backoff: expected a number, 1 or more, got 0.5"),
        ({"jitter": 1.5}, "jitter: expected a number from 0 to 1, got 1.5"),
        ({"at_most": 0}, "at_most: expected a number above 0, got 0"),
        ({"on": ()}, "on: expected at least one exception"),
        ({"on": "OSError"}, "on: expected a list, got 'OSError'"),
        ({"on": [int]}, r"on\[0\]: expected an exception type"),
        ({"on": [OSError, "TimeoutEror"]}, r"on\[1\]: .*Did you mean 'TimeoutError'\?"),
        ({"on": ["requests.Timeout"]}, r"on\[0\]: .*'module:Name'"),
    ],
)
def test_what_does_not_fit_is_refused(given, problem):
    with pytest.raises(CrystallizeError, match=problem):
        Retry(**{"times": 3, **given})


def test_all_that_is_wrong_is_said_at_once():
    wrong: dict[str, Any] = {"times": -1, "wait": "long", "jitter": 2, "on": [3]}
    with pytest.raises(CrystallizeError) as refused:
        Retry(**wrong)
    for name in ("times", "wait", "jitter", "on[0]"):
        assert f"- {name}: " in str(refused.value)
    with pytest.raises(CrystallizeError) as refused:
        Experiment(trial, retries="often", rate_limit=0)
    assert "- retries: expected a whole number, 0 or more, or a table" in str(refused.value)
    assert "- rate_limit: expected a number above 0" in str(refused.value)


def test_names_of_exceptions_are_looked_up_before_the_first_replicate():
    retry = Retry(1, on=("OSError", "json:JSONDecodeError", "urllib.error:HTTPError"))
    found = Experiment(trial, retries=retry).spec.retry.to_dict()["on"]
    assert found == ["OSError", "json.decoder:JSONDecodeError", "urllib.error:HTTPError"]
    with pytest.raises(
        CrystallizeError, match=r"retries\.on: 'json:Eror'.*has no attribute 'Eror'"
    ):
        Experiment(trial, retries=Retry(1, on=("json:Eror",)))
    with pytest.raises(CrystallizeError, match=r"retries\.on: expected an exception type"):
        Experiment(trial, retries=Retry(1, on=("json:dumps",)))


TRIALS = """
class Busy(Exception):
    pass

def trial(rng):
    return rng.random()
"""
CONFIG = '[experiment]\nfunction = "trials:trial"\n'


@pytest.fixture
def write(tmp_path):
    (tmp_path / "trials.py").write_text(TRIALS)

    def write(rest: str) -> Path:
        path: Path = tmp_path / "config.toml"
        path.write_text(CONFIG + rest)
        return path

    return write


def read(path, *overrides):
    return experiment_arguments(read_config(path, overrides), path.parent)


def test_a_config_has_a_number_or_a_table(write):
    assert read(write("retries = 3\nrate_limit = 20"))["retries"] == 3
    table = write('retries = { times = 3, wait = 0.5, on = ["trials:Busy", "OSError"] }')
    assert read(table)["retries"] == Retry(3, wait=0.5, on=("trials:Busy", "OSError"))
    spec = Experiment.from_config(table).spec
    assert [kind.__name__ for kind in spec.retry.exceptions] == ["Busy", "OSError"]
    assert spec.retry.exceptions[0] is spec.function.__globals__["Busy"]


def test_parts_of_the_table_are_given_beside_the_file(write):
    for before in ("", "retries = 3", "retries = { times = 3, wait = 9 }"):
        path = write(before)
        given = read(path, "experiment.retries.times=5", "experiment.retries.wait=0.5")
        assert given["retries"] == Retry(5, wait=0.5)
    assert read(write("retries = 3"), "experiment.retries.wait=0.5")["retries"].times == 3
    assert read(write(""), "experiment.rate_limit=2.5")["rate_limit"] == 2.5


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("retries = -1", "experiment.retries: expected a whole number, 0 or more, or a table"),
        ("retries = { wait = 1 }", "experiment.retries.times: missing"),
        (
            "retries = { times = 1, jiter = 0.1 }",
            "experiment.retries.jiter: 'jiter' is not among the keys. Did you mean 'jitter'?",
        ),
        (
            'retries = { times = "x", wait = -1 }',
            "experiment.retries.wait: expected a number, 0 or more",
        ),
        ("rate_limit = -1", "experiment.rate_limit: expected a number above 0"),
    ],
)
def test_a_config_with_mistakes_says_where_they_are(write, written, problem):
    with pytest.raises(ConfigError) as refused:
        read_config(write(written))
    assert problem in str(refused.value)
