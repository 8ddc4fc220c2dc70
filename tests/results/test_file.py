"""A saved result: the same when loaded, the same bytes each time, and never a pickle."""

import json
import zipfile

import numpy as np
import pytest

from crystallize import CrystallizeError, Experiment, Result
from crystallize.description.summarized import USUAL
from crystallize.errors import ResultFileError
from crystallize.results.file import load, save
from crystallize.testing import same_result


def test_a_saved_result_is_the_same_when_loaded(result, tmp_path):
    result.sections["notes"] = {"a": [1, 2.5, None]}
    result.save(tmp_path / "r.zip")
    loaded = Result.load(tmp_path / "r.zip")
    same_result(result, loaded)
    assert loaded.to_dict() == result.to_dict()
    assert repr(loaded) == repr(result)
    assert (loaded.baseline, loaded.root) == (result.baseline, result.root)
    loaded.save(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "r.zip").read_bytes()


def test_a_saved_result_holds_no_pickle(result, tmp_path):
    result.save(tmp_path / "r.zip")
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        names = archive.namelist()
        assert all(name == "result.json" or name.endswith(".npy") for name in names)
        for name in names[1:]:
            np.load(archive.open(name), allow_pickle=False)


def test_a_pickle_in_a_file_is_not_opened(result, tmp_path):
    result.save(tmp_path / "r.zip")
    evil = np.array([print], dtype=object)
    with (
        zipfile.ZipFile(tmp_path / "r.zip") as old,
        zipfile.ZipFile(tmp_path / "e.zip", "w") as new,
    ):
        for name in old.namelist():
            if name == "0.npy":
                with new.open(name, "w") as entry:
                    np.lib.format.write_array(entry, evil, allow_pickle=True)
            else:
                new.writestr(name, old.read(name))
    with pytest.raises(ResultFileError, match="not a saved result, or it is damaged"):
        Result.load(tmp_path / "e.zip")


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"{}"])
def test_a_file_that_is_no_result_is_refused(content, tmp_path):
    (tmp_path / "r.zip").write_bytes(content)
    with pytest.raises(CrystallizeError, match=r"r\.zip: this is not a saved result"):
        Result.load(tmp_path / "r.zip")
    with pytest.raises(CrystallizeError, match="missing"):
        Result.load(tmp_path / "missing.zip")


def test_a_result_of_another_version_is_refused(result, tmp_path):
    result.save(tmp_path / "r.zip")
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        content = json.loads(archive.read("result.json"))
    content["version"] = 99
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.writestr("result.json", json.dumps(content))
    with pytest.raises(ResultFileError, match="version 99"):
        Result.load(tmp_path / "new.zip")


@pytest.mark.parametrize(
    "name", ["it's; DROP TABLE", "../../up", "nul\0", "two\nlines", "😀", "x" * 10_000]
)
def test_any_name_is_kept_and_shown_on_one_line(name, tmp_path):
    result = Experiment(lambda p: {name: p}, {name: {"p": 1.0}}, replicates=2, name=name).run()
    assert len(repr(result).splitlines()) == 2
    result.save(tmp_path / "r.zip")
    assert Result.load(tmp_path / "r.zip").metrics[name][name].tolist() == [1.0, 1.0]


def parts(**values):
    return {
        "metrics": {"c": {"m": np.array([1.0, 2.0])}},
        "done": {"c": np.array([True, True])},
        "errors": [],
        "root": 2**70,
        "seed_rule": "numpy",
        "baseline": "c",
        "provenance": {},
        "sections": {},
        **values,
    }


def test_the_parts_come_back(tmp_path):
    save(parts(), tmp_path / "r.zip")
    loaded = load(tmp_path / "r.zip")
    metrics, done = loaded["metrics"], loaded["done"]
    assert metrics is not None and metrics["c"]["m"].tolist() == [1.0, 2.0]
    assert done is not None and done["c"].tolist() == [True, True]
    rest = {name: value for name, value in loaded.items() if name not in ("metrics", "done")}
    assert rest == {"summarized": USUAL, "summaries": None} | {
        name: value for name, value in parts().items() if name in rest
    }


@pytest.mark.parametrize("part", ["sections", "provenance"])
def test_what_is_no_plain_data_is_refused_and_no_file_is_left(tmp_path, part):
    with pytest.raises(ResultFileError, match=rf"r\.zip: cannot save this result: {part}, 'x'"):
        save(parts(**{part: {"x": object()}}), tmp_path / "r.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_is_missing_or_cut_short_is_damage(tmp_path):
    save(parts(), tmp_path / "r.zip")
    with (
        zipfile.ZipFile(tmp_path / "r.zip") as old,
        zipfile.ZipFile(tmp_path / "d.zip", "w") as new,
    ):
        new.writestr("result.json", old.read("result.json"))
    (tmp_path / "cut.zip").write_bytes((tmp_path / "r.zip").read_bytes()[:-40])
    for name in ("d.zip", "cut.zip"):
        with pytest.raises(ResultFileError, match=rf"{name}: this is not a saved result"):
            load(tmp_path / name)
