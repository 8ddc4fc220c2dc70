"""What is named like a secret is nowhere in what is written down, unless that is asked for."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from crystallize import Experiment, Result, StoreMismatchError, grid

SECRETS = ("hunter2", "sk-1234", "hf_abcd", "s3cr3t")


@dataclass(frozen=True)
class Login:
    user: str
    password: str


def trial(replicate, api_key, login, account, max_tokens):
    assert (api_key, login["password"], account.password) in {
        (key, "hunter2", "s3cr3t") for key in ("sk-1234", "hf_abcd")
    }
    return float(replicate)


def conditions(first="sk-1234", second="hf_abcd"):
    shared = {
        "login": {"user": "me", "password": "hunter2"},
        "account": Login("me", "s3cr3t"),
        "max_tokens": 512,
    }
    return {"a": {"api_key": first, **shared}, "b": {"api_key": second, **shared}}


def make(store, **options):
    return Experiment(
        trial, options.pop("conditions", conditions()), replicates=5, seed=1, store=store, **options
    )


def written(result, store, tmp_path):
    result.save(tmp_path / "r.zip")
    loaded = Result.load(tmp_path / "r.zip")
    assert loaded.factors == result.factors == Result.from_store(store).factors
    made = [json.dumps(one.to_dict()) + str(one) + repr(one) for one in (result, loaded)]
    made.append(store.read_bytes().decode(errors="replace"))
    shown = [sys.executable, "-m", "crystallize", "show", str(store), "--json"]
    made.append(subprocess.run(shown, capture_output=True, text=True, check=True).stdout)
    return "".join(made)


def test_they_are_digests_everywhere_and_runs_go_on(store, tmp_path):
    result = make(store).run()
    text = written(result, store, tmp_path)
    assert [secret for secret in SECRETS if secret in text] == []
    assert result.factors["a"]["api_key"] != result.factors["b"]["api_key"]
    assert result.provenance["conditions"]["a"]["max_tokens"] == 512
    assert make(store).run().provenance["store"]["found"] == 10
    assert make(store).replay(3) == 3.0


def test_a_change_of_one_is_noticed_and_not_told(store):
    make(store).run()
    with pytest.raises(StoreMismatchError, match="`api_key` changed") as refused:
        make(store, conditions=conditions("hf_abcd", "hf_abcd")).run()
    assert [secret for secret in SECRETS if secret in str(refused.value)] == []


def test_they_are_kept_where_that_is_asked_for(store, tmp_path):
    result = make(store, keep_secrets=True).run()
    text = written(result, store, tmp_path)
    assert [secret for secret in SECRETS[:3] if secret not in text] == []
    assert result.factors["a"]["api_key"] == "sk-1234"


def test_names_of_a_grid_have_none():
    names = list(grid(token=["hunter2", "sk-1234"], tokens=["the"]))
    assert len(set(names)) == 2
    assert all("tokens=the" in name for name in names)
    assert [secret for secret in SECRETS if secret in "".join(names)] == []


def test_replay_says_what_it_cannot_know(store):
    make(store).run()
    command = [sys.executable, "-m", "crystallize", "replay", str(store), "--replicate", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "secrets, so the store has no more than a digest" in done.stderr
