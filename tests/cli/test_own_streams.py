"""``streams`` in a config, and ``replay`` of a store whose conditions have their own."""

import pytest

from crystallize import Experiment

TRIALS = """
def trial(rng, gamma, n):
    return {"x": rng.random()}
"""
CONFIG = """
[experiment]
function = "stream_trials:trial"
replicates = 3
seed = 3
streams = ["gamma"]
[grid]
gamma = [1.0, 1.5]
n = [10, 20]
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "stream_trials.py").write_text(TRIALS)
    path = tmp_path / "experiment.toml"
    path.write_text(CONFIG)
    return path


def test_replay_of_a_store_draws_the_same(crystallize, config):
    store = config.with_name("s.db")
    assert crystallize("run", config, "--store", store).returncode == 0
    metrics = Experiment.from_config(config).run().metrics
    assert metrics["gamma=1.0,n=10"]["x"][2] == metrics["gamma=1.0,n=20"]["x"][2]
    for condition in ("gamma=1.0,n=10", "gamma=1.5,n=20"):
        done = crystallize("replay", store, "--replicate", 2, "--condition", condition)
        assert (done.stderr, eval(done.stdout)) == ("", {"x": metrics[condition]["x"][2]})


def test_a_name_that_is_no_factor_is_refused(crystallize, config):
    done = crystallize("run", config, "--set", 'experiment.streams=["gama"]')
    assert done.returncode == 2
    assert "streams: 'gama' is not among the factors. Did you mean 'gamma'?" in done.stderr
