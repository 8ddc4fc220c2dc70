"""``show``, ``check``, ``merge`` and ``replay``, and ``run`` with a store."""

import json
import sqlite3
import subprocess
import sys

import pytest

pytestmark = pytest.mark.faults  # it takes long

TRIALS = """
print("imported")
def trial(rng, replicate, shift):
    if replicate == 2 and shift:
        raise ValueError("two")
    return {"x": rng.random() + shift}
"""
CONFIG = """
[experiment]
name = "stored"
function = "store_trials:trial"
replicates = 6
seed = 3
[conditions.a]
shift = 0.0
[conditions.b]
shift = 1.0
"""


def write(folder):
    (folder / "store_trials.py").write_text(TRIALS)
    path = folder / "experiment.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def config(tmp_path):
    return write(tmp_path)


@pytest.fixture(scope="module")
def made(crystallize, tmp_path_factory):
    """A store that each test has a copy of, beside a copy of its config."""
    config = write(tmp_path_factory.mktemp("made"))
    path = config.parent / "s.db"
    assert crystallize("run", config, "--store", path).returncode == 1
    return path.read_bytes()


@pytest.fixture
def store(config, made):
    path = config.parent / "s.db"
    path.write_bytes(made)
    return path


def test_run_resumes_and_says_so(crystallize, config, store):
    done = crystallize("run", config, "--store", store, "--replicates", 8, "--json")
    assert "Resumed: 12 of 16 cells were in the store." in done.stderr
    assert len(json.loads(done.stdout)["seeds"]) == 8
    again = crystallize("run", config, "--store", store, "--retry-failed")
    assert "Resumed: 11 of 12" in again.stderr


def test_a_store_in_the_config_is_beside_it(crystallize, config):
    config.write_text(CONFIG + '[store]\npath = "kept.db"\n')
    crystallize("run", config, cwd="/")
    assert (config.parent / "kept.db").exists()


def test_a_changed_experiment_is_refused_until_accepted(crystallize, config, store):
    changed = ["--set", "conditions.a.shift=2.0"]
    refused = crystallize("run", config, "--store", store, *changed)
    assert refused.returncode == 2
    assert "condition 'a', `shift`: 0.0, now 2.0" in refused.stderr
    assert "--accept-changes" in refused.stderr
    accepted = crystallize("run", config, "--store", store, *changed, "--accept-changes")
    assert accepted.returncode == 1
    assert "condition 'a': 6 cells of generation 1 (condition 'a', `shift`: 0.0, now 2.0)" in (
        accepted.stderr
    )


def test_show_says_what_is_there_and_imports_nothing(crystallize, config, store):
    (config.parent / "store_trials.py").unlink()
    done = crystallize("show", store)
    assert (done.returncode, done.stderr) == (0, "")
    assert "experiment  stored" in done.stdout
    assert "a: 6 done, 0 failed, 0 missing" in done.stdout
    assert "b: 5 done, 1 failed, 0 missing" in done.stdout
    assert "imported" not in done.stdout
    content = json.loads(crystallize("show", store, "--json").stdout)
    assert content["identity"]["seed"] == 3
    assert content["cells"][1] == {"condition": "b", "done": 5, "failed": 1, "missing": 0}
    assert content["damaged"] == []


def test_check_names_damage_and_a_resume_runs_it_again(crystallize, config, store):
    assert crystallize("check", store).returncode == 0
    connection = sqlite3.connect(store)
    connection.execute("UPDATE blocks SET payload = zeroblob(length(payload)) WHERE id = 1")
    connection.commit()
    connection.close()
    assert "damaged" in crystallize("show", store).stdout
    done = crystallize("check", store)
    assert done.returncode == 1
    assert "damaged, set aside: \"replicates 0 to 0 of condition 'a'\"" in done.stdout
    assert "a: 5 done, 0 failed, 1 missing" in crystallize("show", store).stdout
    resumed = crystallize("run", config, "--store", store)
    assert "Resumed: 11 of 12" in resumed.stderr
    assert "a: 6 done" in crystallize("show", store).stdout


def test_merge_puts_stores_together(crystallize, config, store):
    other, merged = store.with_name("other.db"), store.with_name("merged.db")
    more = ["--replicates", "9"]
    config.write_text(config.read_text() + "[conditions.c]\nshift = 0.5\n")
    crystallize("run", config, "--store", other, *more)
    done = crystallize("merge", store, other, "-o", merged)
    assert done.returncode == 0, done.stderr
    assert "25 cells done, 2 failed" in done.stdout
    resumed = crystallize("run", config, "--store", merged, *more, "--json")
    assert "Resumed: 27 of 27" in resumed.stderr
    fresh = crystallize("run", config, *more, "--json")
    assert json.loads(resumed.stdout)["metrics"] == json.loads(fresh.stdout)["metrics"]


def test_merge_refuses_other_experiments_and_conflicts(crystallize, config, store):
    other = store.with_name("other.db")
    crystallize("run", config, "--store", other, "--seed", 9)
    done = crystallize("merge", store, other, "-o", store.with_name("m.db"))
    assert done.returncode == 2
    assert "another experiment" in done.stderr
    assert "seed: 3, now 9" in done.stderr
    source = (config.parent / "store_trials.py").read_text()
    (config.parent / "store_trials.py").write_text(
        "import os\n" + source.replace("+ shift}", '+ shift + float(os.environ["BIAS"])}')
    )
    paths = [store.with_name(f"{name}.db") for name in "xy"]
    for path, bias in zip(paths, "01", strict=True):
        crystallize("run", config, "--store", path, env={**_environment(), "BIAS": bias})
    done = crystallize("merge", *paths, "-o", store.with_name("m.db"))
    assert done.returncode == 2
    assert "disagree" in done.stderr
    assert "condition 'a', replicate 0: x=" in done.stderr
    assert not store.with_name("m.db").exists()


def _environment():
    import os

    return dict(os.environ)


def test_replay_runs_one_cell_here(crystallize, store):
    good = crystallize("replay", store, "--replicate", 1, "--condition", "b")
    assert good.returncode == 0
    x = json.loads(crystallize("run", store.parent / "experiment.toml", "--json").stdout)
    assert repr(x["metrics"]["b"]["x"][1]) in good.stdout
    bad = crystallize("replay", store, "--replicate", 2, "--condition", "b")
    assert bad.returncode == 1
    assert 'raise ValueError("two")' in bad.stderr
    debugged = crystallize(
        "replay", store, "--replicate", 2, "--condition", "b", "--pdb", input="p replicate\nq\n"
    )
    assert "(Pdb) 2" in debugged.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "none.db"], "there is no such store"),
        (["check", "none.db"], "there is no such store"),
        (["merge", "none.db", "-o", "x.db"], "there is no such store"),
        (["drop", "none.db", "--failed"], "there is no such store"),
        (["replay", "none.db", "--replicate", "1"], "there is no such store"),
    ],
)
def test_a_missing_store_is_refused(crystallize, tmp_path, arguments, message):
    done = crystallize(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


SYSTEM = """
import os
from crystallize import Experiment
command = {"command": "echo > obeyed"}
Experiment(os.system, {"baseline": command}, store="s.db", seed=1).run()
os.remove("obeyed")
"""


def test_replay_imports_nothing_because_a_store_says_so(crystallize, tmp_path):
    subprocess.run([sys.executable, "-c", SYSTEM], cwd=tmp_path, check=True, timeout=60)
    refused = crystallize("replay", "s.db", "--replicate", 0, cwd=tmp_path)
    assert refused.returncode == 2
    assert "posix:system, which is not imported for that alone" in refused.stderr
    assert "--config FILE, or --function posix:system" in refused.stderr
    assert "Traceback" not in refused.stderr
    (tmp_path / "mine.py").write_text("def trial(command):\n    return 1.0\n")
    config = "[experiment]\nfunction = 'mine:trial'\n[conditions.baseline]\ncommand = 'x'\n"
    (tmp_path / "mine.toml").write_text(config)
    refused = crystallize("replay", "s.db", "--replicate", 0, "--config", "mine.toml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "in mine.toml {'command': 'x'}" in refused.stderr
    assert not (tmp_path / "obeyed").exists()


def test_replay_runs_changed_code_only_where_that_is_accepted(crystallize, store):
    source = store.parent / "store_trials.py"
    source.write_text(TRIALS.replace("+ shift", "- shift").replace("imported", "changed"))
    arguments = ["replay", store, "--replicate", 1, "--condition", "b"]
    refused = crystallize(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "changed\n")
    assert "this is not what the store's cells ran" in refused.stderr
    assert "--accept-changes" in refused.stderr
    accepted = crystallize(*arguments, "--accept-changes")
    assert accepted.returncode == 0
    assert "{'x': " in accepted.stdout
    assert "Warning: since the store was made" in accepted.stderr


def test_replay_takes_the_function_that_is_named(crystallize, store):
    (store.parent / "experiment.toml").rename(store.parent / "experiment.txt")
    arguments = ["replay", "s.db", "--replicate", 1]
    refused = crystallize(*arguments, cwd=store.parent)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "there is no config with it beside the store" in refused.stderr
    named = crystallize(*arguments, "--function", "store_trials:trial", cwd=store.parent)
    assert named.returncode == 0
    assert "{'x': " in named.stdout
    both = crystallize(*arguments, "--function", "a:b", "--config", "c.toml", cwd=store.parent)
    assert (both.returncode, "give one" in both.stderr) == (2, True)


def test_replay_asks_which_of_two_configs_it_is(crystallize, store):
    (store.parent / "twin.toml").write_text((store.parent / "experiment.toml").read_text())
    refused = crystallize("replay", store, "--replicate", 1)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "more than one config has it: 'experiment.toml', 'twin.toml'" in refused.stderr
    (store.parent / "twin.toml").write_text(CONFIG + "[store]\npath = 'another.db'\n")
    assert crystallize("replay", store, "--replicate", 1).returncode == 0


def test_replay_of_an_unknown_condition_names_the_closest(crystallize, store):
    done = crystallize("replay", store, "--replicate", 1, "--condition", "bb")
    assert done.returncode == 2
    assert "Did you mean 'b'" in done.stderr


def test_what_was_dropped_is_run_again(crystallize, config, store):
    before = crystallize("run", config, "--store", store, "--json").stdout
    (config.parent / "store_trials.py").rename(config.parent / "away.py")
    done = crystallize("drop", store, "--condition", "a", "--replicates", "2:4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a: 2 cells forgotten" in done.stdout
    assert "b:" not in done.stdout
    shown = crystallize("show", store).stdout
    assert "a: 4 done, 0 failed, 2 missing" in shown
    assert "b: 5 done, 1 failed, 0 missing" in shown
    (config.parent / "away.py").rename(config.parent / "store_trials.py")
    again = crystallize("run", config, "--store", store, "--json")
    assert "Resumed: 10 of 12 cells" in again.stderr
    assert json.loads(again.stdout)["metrics"] == json.loads(before)["metrics"]


def test_failed_cells_are_dropped_alone(crystallize, config, store):
    done = crystallize("drop", store, "--failed")
    assert "a: 0 cells forgotten\nb: 1 cells forgotten\n1 cells are forgotten" in done.stdout
    assert "b: 5 done, 0 failed, 1 missing" in crystallize("show", store).stdout
    source = (config.parent / "store_trials.py").read_text()
    assert "0 cells are forgotten" in crystallize("drop", store, "--failed").stdout
    assert source == (config.parent / "store_trials.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which cells are to be forgotten"),
        (["--condition", "bb"], "Did you mean 'b'"),
        (["--replicates", "3"], "expected A:B, two whole numbers"),
        (["--replicates", "-3:2"], "expected A:B, two whole numbers"),
    ],
)
def test_a_drop_that_says_too_little_is_refused(crystallize, store, arguments, message):
    done = crystallize("drop", store, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "a: 6 done" in crystallize("show", store).stdout


def test_a_merge_prefers_values_where_it_is_asked_to(crystallize, config, store):
    source = (config.parent / "store_trials.py").read_text()
    other, merged = store.with_name("other.db"), store.with_name("merged.db")
    other.write_bytes(store.read_bytes())
    trials = config.parent / "store_trials.py"
    trials.write_text(source.replace("replicate == 2", "replicate == 9"))
    crystallize("run", config, "--store", other, "--retry-failed", "--accept-changes")
    trials.write_text(source)
    crystallize("run", config, "--store", other, "--accept-changes")
    refused = crystallize("merge", store, other, "-o", merged)
    assert refused.returncode == 2
    assert "condition 'b', replicate 2: ValueError: two and x=" in refused.stderr
    assert "--prefer-values" in refused.stderr
    for stores in ([store, other], [other, store]):
        done = crystallize("merge", *stores, "-o", merged, "--prefer-values")
        assert (done.returncode, done.stderr) == (0, "")
        assert "12 cells done, 0 failed" in done.stdout
        merged.unlink()
