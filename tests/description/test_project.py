"""Paths as they are written down: from the project's folder."""

import json

from crystallize import Experiment
from crystallize.description.project import in_project
from crystallize.store.stored import StoredExperiment


def test_a_path_is_said_from_the_folder_of_its_project(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / ".git").mkdir()
    assert in_project(project / "data" / "cells.db") == "data/cells.db"
    monkeypatch.chdir(project / "data")
    assert in_project("cells.db") == "data/cells.db"
    assert in_project("../cells.db") == "cells.db"


def test_without_a_project_it_is_said_from_here_or_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert in_project(tmp_path / "sub" / "cells.db") == "sub/cells.db"
    assert in_project(tmp_path.parent / "cells.db") == (tmp_path.parent / "cells.db").as_posix()


def test_results_and_stores_do_not_say_where_on_a_machine_they_are(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    store = tmp_path / "kept" / "cells.db"
    store.parent.mkdir()
    result = Experiment(lambda rng: rng.random(), replicates=3, seed=1, store=store).run()
    assert result.provenance["store"]["path"] == "kept/cells.db"
    assert str(tmp_path) not in json.dumps(result.provenance["store"])
    assert str(tmp_path) not in json.dumps(StoredExperiment(store).identity)
