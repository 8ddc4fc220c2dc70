"""What is installed is found without importing it, and looked up by name."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from crystallize import Experiment
from crystallize.errors import DuplicateNameError, PluginError, UnknownNameError
from crystallize.installed.catalog import Catalog

LOOP = """
from crystallize import hookimpl
class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]
"""
EXECUTORS = "crystallize.executors"


def statuses(catalog):
    return {info.name: info.status for info in catalog.entries}


def test_the_strategies_in_the_box_are_entry_points():
    found = {
        i.name: i.value for i in Catalog.installed().entries if i.distribution == "crystallize-core"
    }
    assert set(found) == {"serial", "parallel", "async", "futures"}
    assert len(set(found.values())) == 4


def test_a_stranger_is_found_and_run_by_name(distribution):
    distribution("my-loop", {EXECUTORS: {"mine": "my_loop:Loop"}}, LOOP)
    result = Experiment(lambda replicate: replicate, replicates=3, execution="mine").run()
    assert result.metrics["baseline"]["value"].tolist() == [0, 1, 2]
    used = result.provenance["plugins"][-1]
    assert used == {"name": "mine", "kind": "executor", "distribution": "my-loop", "version": "1.0"}


def test_finding_imports_nothing(distribution):
    distribution("explodes", {EXECUTORS: {"boom": "explodes:X"}}, "raise SystemExit('imported')")
    assert statuses(Catalog.installed())["boom"] == "available"


def test_a_distribution_seen_twice_counts_once(distribution):
    distribution("twice", {EXECUTORS: {"t": "twice:Loop"}}, LOOP)
    sys.path.append(sys.path[0])
    try:
        assert [i.name for i in Catalog.installed().entries].count("t") == 1
    finally:
        sys.path.pop()


def test_one_name_from_two_distributions_asks_which(distribution):
    distribution("first-dist", {EXECUTORS: {"same": "first_dist:Loop"}}, LOOP)
    distribution("second-dist", {EXECUTORS: {"same": "second_dist:Loop"}}, LOOP)
    catalog = Catalog.installed()
    assert statuses(catalog)["same"] == "conflict"
    with pytest.raises(DuplicateNameError, match="'first-dist:same' or 'second-dist:same'"):
        Experiment(lambda: 1.0, execution="same")
    assert catalog.find("executor", "Second_Dist:same").distribution == "second-dist"
    assert Experiment(lambda: 1.0, execution="first-dist:same").run().errors == []


def test_a_stranger_may_take_a_name_of_ours_once_ours_is_blocked(distribution, monkeypatch):
    distribution("my-serial", {EXECUTORS: {"serial": "my_serial:Loop"}}, LOOP)
    with pytest.raises(DuplicateNameError, match="crystallize-core:serial"):
        Experiment(lambda: 1.0)
    monkeypatch.setenv("CRYSTALLIZE_BLOCK_PLUGINS", "crystallize-core:serial")
    result = Experiment(lambda: 1.0).run()
    assert result.provenance["plugins"][-1]["distribution"] == "my-serial"


def test_conclusions_without_their_distribution_say_how_to_get_it():
    with pytest.raises(UnknownNameError, match="pip install crystallize-stats adds it"):
        Catalog(()).find("aggregator", "compare")
    with pytest.raises(UnknownNameError) as caught:
        Catalog(()).find("aggregator", "compared")
    assert "pip install" not in str(caught.value)


def test_a_blocked_plugin_says_who_blocked_it(monkeypatch):
    monkeypatch.setenv("CRYSTALLIZE_BLOCK_PLUGINS", "parallel, async")
    assert statuses(Catalog.installed())["parallel"] == "blocked"
    with pytest.raises(
        PluginError, match=r"parallel \(crystallize-core .*CRYSTALLIZE_BLOCK_PLUGINS"
    ):
        Experiment(lambda: 1.0, execution="parallel")


def test_an_unknown_name_lists_what_is_installed_and_the_closest():
    with pytest.raises(LookupError, match=r"'paralel'. Did you mean 'parallel'\?") as caught:
        Catalog.installed().find("executor", "paralel")
    assert "serial (crystallize-core " in str(caught.value)


def test_damaged_metadata_hides_only_itself(distribution):
    folder = distribution("damaged", {EXECUTORS: {"d": "damaged:Loop"}}, LOOP)
    (info,) = folder.glob("*.dist-info")
    (info / "METADATA").write_bytes(b"\xff\xfe\x00")
    (info / "entry_points.txt").write_bytes(b"\xff\xff[[[")
    assert statuses(Catalog.installed())["serial"] == "available"


OBSERVER = """
from crystallize import hookimpl
class Observer:
    @hookimpl
    def extend_result(self):
        return {"observed": True}
"""


def test_observers_are_active_in_every_experiment_unless_switched_off(distribution, monkeypatch):
    distribution("watcher", {"crystallize.plugins": {"watch": "watcher:Observer"}}, OBSERVER)
    assert Experiment(lambda: 1.0).run().sections == {"observed": True}
    assert Experiment(lambda: 1.0, plugins=["watch"]).run().sections == {"observed": True}
    monkeypatch.setenv("CRYSTALLIZE_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert statuses(Catalog.installed())["watch"] == "not autoloaded"
    assert Experiment(lambda: 1.0).run().sections == {}
    assert Experiment(lambda: 1.0, plugins=["watch"]).run().sections == {"observed": True}
    monkeypatch.delenv("CRYSTALLIZE_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("CRYSTALLIZE_BLOCK_PLUGINS", "watch")
    assert Experiment(lambda: 1.0).run().sections == {}


def test_the_listing_command_survives_a_broken_plugin(distribution):
    folder = distribution("broken-two", {EXECUTORS: {"broken": "broken_two:Loop"}}, "1/0")
    command = [sys.executable, "-m", "crystallize", "plugins", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    by_name = {row["name"]: row for row in json.loads(listed.stdout)}
    assert by_name["broken"]["status"] == "available"
    checked = subprocess.run([*command, "--check"], env=environment, capture_output=True, text=True)
    assert checked.returncode == 1
    by_name = {row["name"]: row for row in json.loads(checked.stdout)}
    assert by_name["broken"]["status"] == "broken: ZeroDivisionError: division by zero"
    assert by_name["serial"]["status"] == "available"


def test_what_is_installed_is_read_afresh(distribution):
    assert "late" not in statuses(Catalog.installed())
    distribution("late-dist", {EXECUTORS: {"late": "late_dist:X"}})
    assert statuses(Catalog.installed())["late"] == "available"


def test_of_two_versions_on_the_path_the_one_that_imports_counts(distribution):
    distribution("Two_Versions", {EXECUTORS: {"gone": "old:X", "kept": "old:Y"}}, version="1.0")
    distribution("two-versions", {EXECUTORS: {"kept": "new:Y"}}, version="2.0")
    (info,) = (i for i in Catalog.installed().entries if i.distribution == "two-versions")
    assert (info.name, info.version, info.value) == ("kept", "2.0", "new:Y")
    distribution("two-versions", {}, version="3.0")
    assert "kept" not in statuses(Catalog.installed())


POINTS = b"[crystallize.executors]\ndamaged = x:Y\n"


@pytest.mark.parametrize(
    ("metadata", "entry_points"),
    [
        (None, POINTS),
        (b"", POINTS),
        (b"Metadata-Version: 2.1\nVersion: 1.0\n", POINTS),
        (b"Metadata-Version: 2.1\nName: hurt\n", POINTS),
        (b"\xff\xfe\x00", POINTS),
        (b"Metadata-Version: 2.1\nName: hurt\nVersion: 1.0\n", b"\xff\xfe" + POINTS),
        (b"Metadata-Version: 2.1\nName: hurt\nVersion: 1.0\n", POINTS + b"?!\n"),
    ],
    ids=["none", "empty", "no-name", "no-version", "no-text", "points-no-text", "points-no-ini"],
)
def test_every_kind_of_damage_hides_only_itself(distribution, metadata, entry_points):
    distribution("before-dist", {EXECUTORS: {"before": "before_dist:Loop"}})
    (info,) = distribution("hurt", {}).glob("*.dist-info")
    (info / "METADATA").unlink()
    if metadata is not None:
        (info / "METADATA").write_bytes(metadata)
    (info / "entry_points.txt").write_bytes(entry_points)
    distribution("after-dist", {EXECUTORS: {"after": "after_dist:Loop"}})
    found = statuses(Catalog.installed())
    assert {"before", "after", "serial"} <= set(found)
    assert "damaged" not in found


def problems():
    return {(p.distribution, p.name): p for p in Catalog.installed().problems}


@pytest.mark.parametrize(
    ("group", "closest"),
    [
        ("crystallize.executor", "crystallize.executors"),
        ("crystalize.executors", "crystallize.executors"),
        ("crystallize_exporters", "crystallize.exporters"),
        ("Crystallize.Observers", "crystallize.observers"),
        ("crystallize.observer", "crystallize.observers"),
    ],
)
def test_a_group_that_is_nearly_ours_is_shown_with_the_one_that_was_meant(
    distribution, group, closest
):
    distribution("near-miss", {group: {"fast": "near_miss:Loop"}}, LOOP)
    problem = problems()["near-miss", "fast"]
    assert problem.group == group
    assert problem.is_broken
    assert f"there is no group {group!r}; did you mean {closest!r}?" in problem.status
    assert "fast" not in statuses(Catalog.installed())


def test_a_group_of_ours_that_is_near_nothing_is_shown_with_those_that_there_are(distribution):
    distribution("far-miss", {"crystallize.themes": {"dark": "far_miss:X"}})
    assert "groups: crystallize.executors, " in problems()["far-miss", "dark"].status


def test_what_does_not_concern_us_is_no_problem(distribution):
    before = problems()
    (info,) = distribution("others", {"console_scripts": {"o": "others:o"}}).glob("*.dist-info")
    (info / "METADATA").write_bytes(b"\xff\xfe")
    (binary,) = distribution("binary", {}).glob("*.dist-info")
    (binary / "entry_points.txt").write_bytes(b"\xff\xfe[console_scripts]\n")
    assert problems() == before


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("METADATA", b"Metadata-Version: 2.1\nVersion: 1.0\n", "METADATA: it has no Name"),
        ("METADATA", b"Metadata-Version: 2.1\nName: hurt\n", "METADATA: it has no Version"),
        ("METADATA", b"\xff\xfe\x00", "METADATA: "),
        ("entry_points.txt", b"\xff\xfe" + POINTS, "entry_points.txt: UnicodeDecodeError"),
        (
            "entry_points.txt",
            POINTS + b"?!\n",
            "entry_points.txt: line 3, '?!', is not 'name = module:attribute'",
        ),
    ],
)
def test_metadata_that_cannot_be_used_is_shown_with_what_is_wrong(
    distribution, file, content, says
):
    (info,) = distribution("hurt", {EXECUTORS: {"damaged": "x:Y"}}).glob("*.dist-info")
    (info / file).write_bytes(content)
    problem = problems()["hurt", "?"]
    assert (problem.version, problem.is_broken) == ("1.0", True)
    assert problem.status.startswith("unreadable: ")
    assert says in problem.status


def test_a_copy_that_no_import_reaches_is_shown_and_is_nobodys_mistake(distribution):
    distribution("two-versions", {EXECUTORS: {"gone": "old:X"}}, version="1.0")
    distribution("two-versions", {EXECUTORS: {"kept": "new:Y"}}, version="2.0")
    problem = problems()["two-versions", "gone"]
    assert "hidden: version 2.0, in " in problem.status
    assert not problem.is_broken


def test_a_file_that_is_rewritten_in_place_is_read_again(distribution):
    (info,) = distribution("edited", {EXECUTORS: {"old": "edited:X"}}).glob("*.dist-info")
    assert statuses(Catalog.installed())["old"] == "available"
    (info / "entry_points.txt").write_text("[crystallize.executors]\nnewer = edited:X\n")
    found = statuses(Catalog.installed())
    assert found["newer"] == "available"
    assert "old" not in found
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edited\nVersion: 10.0\n")
    assert Catalog.installed().find("executor", "newer").version == "10.0"


def test_a_distribution_that_takes_the_place_of_one_installed_long_ago_is_read(distribution):
    (info,) = distribution("upgraded", {EXECUTORS: {"old": "upgraded:X"}}).glob("*.dist-info")
    os.utime(info, (1e9, 1e9))
    assert statuses(Catalog.installed())["old"] == "available"
    shutil.rmtree(info)
    distribution("upgraded", {EXECUTORS: {"newer": "upgraded:X"}}, version="2.0")
    found = statuses(Catalog.installed())
    assert found["newer"] == "available"
    assert "old" not in found


def test_a_first_plugin_in_a_distribution_that_had_none_is_seen(distribution):
    (info,) = distribution("late-point", {}).glob("*.dist-info")
    Catalog.installed()
    (info / "entry_points.txt").write_text("[crystallize.executors]\nlate = late_point:X\n")
    assert statuses(Catalog.installed())["late"] == "available"


def test_one_name_twice_in_one_distribution_is_its_own_to_mend(distribution):
    (info,) = distribution("doubled", {}).glob("*.dist-info")
    (info / "entry_points.txt").write_text(
        "[crystallize.executors]\nsame = doubled:A\nsame = doubled:B\n"
    )
    with pytest.raises(DuplicateNameError, match="'doubled:A' and 'doubled:B': it must give one"):
        Catalog.installed().find("executor", "doubled:same")


def test_those_who_block_more_say_what_nothing_has(distribution):
    distribution("my-loop", {EXECUTORS: {"mine": "my_loop:Loop"}}, LOOP)
    catalog = Catalog.installed(block=["mine", "My_Loop:mine", "min"])
    assert statuses(catalog)["mine"] == "blocked"
    assert catalog.unblocking() == ["min"]
    with pytest.raises(PluginError, match=r"mine .* is blocked by this experiment's 'block'"):
        catalog.find("executor", "mine")
