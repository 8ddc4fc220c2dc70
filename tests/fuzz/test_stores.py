"""A store, however damaged, is read or refused; no command changes a value unseen."""

import shutil
import sqlite3
import warnings

import pytest
from bounded import bounded, examples, mutated
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from crystallize import CrystallizeError, Experiment, Result
from crystallize.cli import main

pytestmark = pytest.mark.faults  # it takes long

PIECES = [
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x1b[2J",
    b"PK\x03\x04",
    b"CREATE VIEW ", b"SQLite format 3\0", b"null", b"NaN", b"9" * 5000, b"{", b"]", b'"', b"\r",
]  # fmt: skip
TABLES = "select name from sqlite_schema where type = 'table'"
SQL = [
    "drop table {0}",
    "delete from {0}",
    "alter table {0} rename to moved; create view {0} as select * from moved",
    "alter table {0} rename to moved; create view {0} as with recursive n(i) as "
    "(select 1 union all select i + 1 from n) select i as {1} from n",
    "create trigger obeyed after insert on {0} begin delete from {0}; end",
    "update {0} set {1} = null",
    "update {0} set {1} = x'ff00ff'",
    "update {0} set {1} = 'text' || char(27)",
    "update {0} set {1} = 1e999",
    "update {0} set {1} = -1",
    "update {0} set {1} = 9223372036854775807",
    "update {0} set {1} = substr({1}, 1, length({1}) / 2)",
    "update {0} set {1} = {1} || {1}",
    "update {0} set {1} = zeroblob(20000000)",
    "insert into {0} select * from {0}",
    "pragma user_version = 99",
    "pragma application_id = 1",
    "pragma encoding = 'UTF-16'",
]
COMMANDS = {
    "show": ["show", "s.db"],
    "show as JSON": ["show", "s.db", "--json"],
    "check": ["check", "s.db"],
    "run": ["run", "c.toml"],
    "merge": ["merge", "s.db", "good.db", "-o", "merged.db"],
    "drop": ["drop", "s.db", "--replicates", "0:1"],
    "replay": ["replay", "s.db", "--condition", "a", "--replicate", "1"],
    "copy": ["copy", "s.db", "copied.db"],
}
CONFIG = """
[experiment]
function = "stored_trials:trial"
replicates = {replicates}
seed = 1
[conditions]
a = {{ shift = 0 }}
b = {{ shift = 1 }}
[store]
path = "{store}"
"""
TRIAL = """
def trial(rng, replicate, shift):
    if replicate == 3:
        raise ValueError("no")
    return {"x": rng.random() + shift, "name": "text"}
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A folder with a store, one that has more cells of the same, and the config of the first."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "stored_trials.py").write_text(TRIAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        for store, replicates in (("other.db", 40), ("good.db", 6), ("s.db", 6)):
            (folder / "c.toml").write_text(CONFIG.format(replicates=replicates, store=store))
            Experiment.from_config(folder / "c.toml").run()
        yield folder


def clear(folder):
    """Leave nothing of the example before."""
    for path in folder.iterdir():
        if path.name.startswith(("s.db", "merged.db", "copied.db")):
            path.unlink()


def spoiled(data, folder):
    """The good store's bytes flipped, cut or mixed with another's."""
    content = (folder / "good.db").read_bytes()
    other = (folder / "other.db").read_bytes()
    kind = data.draw(st.sampled_from(["flipped", "truncated", "spliced", "mutated"]))
    changed = bytearray(content)
    if kind == "flipped":
        for _ in range(data.draw(st.integers(1, 8))):
            place = data.draw(st.integers(0, len(content) - 1))
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "truncated":
        del changed[data.draw(st.integers(0, len(content) - 1)) :]
    elif kind == "spliced":
        page = int.from_bytes(content[16:18], "big")
        begin = page * data.draw(st.integers(0, len(content) // page - 1))
        source = page * data.draw(st.integers(0, len(other) // page - 1))
        changed[begin : begin + page] = other[source : source + page]
    else:
        return mutated(data, content, PIECES)
    return bytes(changed)


def crafted(data, folder):
    """The good store after a statement or two that no program of ours would make."""
    shutil.copy(folder / "good.db", folder / "s.db")
    connection = sqlite3.connect(folder / "s.db")
    try:
        for _ in range(data.draw(st.integers(1, 2))):
            tables = [
                name for (name,) in connection.execute(TABLES) if not name.startswith("sqlite_")
            ]
            table = data.draw(st.sampled_from(sorted(tables)))
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
            column = data.draw(st.sampled_from(columns))
            try:
                connection.executescript(data.draw(st.sampled_from(SQL)).format(table, column))
            except sqlite3.Error:
                connection.rollback()  # what SQLite itself refuses to make
            if len(tables) == 1:
                break
    finally:
        connection.close()


def values(result):
    """What each cell came to, by condition and replicate."""
    return {
        (condition, replicate): (rows["x"][replicate], rows["name"][replicate])
        for condition, rows in result.metrics.items()
        for replicate in range(len(result.done[condition]))
        if rows and result.done[condition][replicate]
    }


def check_values(folder, path):
    """A store is refused, or each value in it is the one that was put there."""
    with warnings.catch_warnings(action="ignore"):
        try:
            found = values(Result.from_store(path))
        except CrystallizeError as error:
            assert str(error)
            return
        whole = values(Result.from_store(folder / "other.db"))
    assert found.items() <= whole.items()


def check_command(folder, command):
    with bounded(), warnings.catch_warnings(action="ignore"):
        ended = CliRunner().invoke(main, COMMANDS[command])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.output
        assert ended.exit_code in (0, 1, 2, 3), ended.output
        assert "\x1b" not in ended.output
        for name in ("s.db", "merged.db", "copied.db"):
            if (folder / name).exists():
                check_values(folder, folder / name)


@pytest.mark.parametrize("command", COMMANDS)
@examples(10)
@given(data=st.data())
def test_a_damaged_store_is_read_or_refused(stores, command, data):
    clear(stores)
    (stores / "s.db").write_bytes(spoiled(data, stores))
    check_command(stores, command)


@pytest.mark.parametrize("command", COMMANDS)
@examples(10)
@given(data=st.data())
def test_a_crafted_store_is_refused_never_obeyed(stores, command, data):
    clear(stores)
    crafted(data, stores)
    check_command(stores, command)


@pytest.mark.parametrize("command", ["show", "show as JSON", "replay", "drop", "merge"])
def test_a_store_that_lost_what_its_cells_ran_under_is_no_traceback(stores, command):
    clear(stores)
    shutil.copy(stores / "good.db", stores / "s.db")
    connection = sqlite3.connect(stores / "s.db")
    connection.execute("delete from generations")
    connection.commit()
    connection.close()
    check_command(stores, command)
