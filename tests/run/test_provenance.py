"""A result says where it comes from: enough to run it again."""

import importlib
import json
import sys
from hashlib import sha256

import numpy as np

from crystallize import Experiment


def trial(rng, scale):
    return rng.normal() * scale


def test_provenance_says_where_a_result_comes_from():
    conditions = {"narrow": {"scale": 1.0}, "wide": {"scale": 2.0}}
    provenance = Experiment(trial, conditions, replicates=5, seed=1, name="kinds").run().provenance
    assert provenance["experiment"] == "kinds"
    assert provenance["function"]["name"] == "trial"
    assert len(provenance["function"]["source_sha256"]) == 64
    assert provenance["conditions"] == {"narrow": {"scale": 1.0}, "wide": {"scale": 2.0}}
    assert provenance["seed"]["root"] == 1
    assert "SeedSequence(root).spawn(n)[replicate]" in provenance["seed"]["rule"]
    assert set(provenance["versions"]) == {"python", "numpy", "crystallize-core"}
    assert provenance["execution"]["strategy"] == "serial"
    assert provenance["execution"]["workers"] == 1
    assert provenance["plugins"][-1]["distribution"] == "crystallize-core"
    assert provenance["seconds"] > 0
    assert provenance["started"].endswith("+00:00")
    assert provenance["platform"]


def test_provenance_names_the_commit_and_a_dirty_tree(tmp_path, monkeypatch):
    import subprocess

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    module = tmp_path / "committed_module.py"
    module.write_text("def trial(): return 1.0\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.syspath_prepend(str(tmp_path))
    import committed_module

    state = Experiment(committed_module.trial).run().provenance["git"]
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    module.write_text("def trial(): return 1.0  # changed\n")
    assert Experiment(committed_module.trial).run().provenance["git"]["dirty"] is True


def test_the_source_is_what_ran_whatever_becomes_of_its_file(tmp_path, monkeypatch, request):
    first = "def trial(edit):\n    edit()\n    return 1.0\n"
    second = "def other():\n    pass\n\n\n" + first.replace("1.0", "2.0")
    file = tmp_path / "edited_while_it_runs.py"
    file.write_text(first)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(file.stem)
    request.addfinalizer(lambda: sys.modules.pop(file.stem))

    def source(edit):
        result = Experiment(module.trial, {"a": {"edit": edit}}).run()
        return result.provenance["function"]["source_sha256"]

    while_it_runs = source(lambda: file.write_text(second))
    assert while_it_runs == sha256(first.encode()).hexdigest()
    assert source(int) == while_it_runs  # the function is still what it was
    importlib.reload(module)
    assert source(int) == sha256(second[second.index("def trial") :].encode()).hexdigest()


def test_code_that_is_replaced_in_a_function_has_a_source_of_its_own():
    def trial():
        return 1.0

    def reloaded():
        return 2.0

    before, after = (Experiment(function).run().provenance for function in (trial, reloaded))
    trial.__code__ = reloaded.__code__  # as IPython's autoreload does
    assert (
        Experiment(trial).run().provenance["function"]["source_sha256"]
        == (after["function"]["source_sha256"])
    )
    assert before["function"]["source_sha256"] != after["function"]["source_sha256"]


def test_large_parameters_are_a_digest():
    result = Experiment(lambda data: data.sum(), {"a": {"data": np.arange(9.0)}}).run()
    shown = result.provenance["conditions"]["a"]["data"]["array"]
    assert (shown["dtype"], shown["shape"]) == ("float64", [9])
    json.dumps(result.to_dict(), allow_nan=False)


def test_parameters_of_any_kind_are_shown_and_saved(tmp_path):
    values = {"keys": {0: 1.0, True: [{2: 3}]}, "objects": np.array([1, "x", None], dtype=object)}
    conditions = {name: {"value": value} for name, value in values.items()}
    result = Experiment(lambda value: 1.0, conditions).run()
    result.save(tmp_path / "result.zip")
    result.to_json(tmp_path / "result.json")
    assert result.provenance["conditions"]["keys"]["value"] == "{0: 1.0, True: [{2: 3}]}"


def test_a_function_whose_file_is_no_python_has_a_provenance_too(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Text (with a parenthesis\n\n  and a line that is indented:\n")
    names: dict = {}
    exec(compile("def trial(replicate):\n    return replicate", str(page), "exec"), names)
    result = Experiment(names["trial"], replicates=3).run()
    assert result.metrics["baseline"]["value"].tolist() == [0, 1, 2]
    assert len(result.provenance["function"]["source_sha256"]) == 64
