"""The file: what was added survives, and what is damaged or another's is said."""

import sqlite3
from dataclasses import replace

import pytest

from crystallize.errors import StoreError
from crystallize.store.rows import Record
from crystallize.store.schema import APPLICATION_ID
from crystallize.store.sqlite import Store, stored_root

FIRST, SECOND = Record(("a",), 0, 3, b"first"), Record(("b",), 3, 9, b"second")


@pytest.fixture
def opened(store):
    with Store(store, create=True) as opened:
        yield opened


def damage(store, column, value):
    connection = sqlite3.connect(store)
    with connection:
        connection.execute(f"UPDATE blocks SET {column} = ? WHERE id = 1", (value,))
    connection.close()


def test_records_come_back_in_the_order_in_which_they_were_added(store):
    with Store(store, create=True) as opened:
        opened.add([SECOND])
        opened.add([FIRST, SECOND])
    with Store(store, read_only=True) as again:
        assert list(again.records()) == [SECOND, FIRST, SECOND]


def test_records_are_added_all_or_none(opened):
    with pytest.raises(StoreError):
        opened.add([FIRST, replace(SECOND, start=None)])
    assert list(opened.records()) == []


def test_the_identity_is_replaced_as_a_whole_and_generations_one_by_one(opened):
    assert (opened.identity, opened.generations) == (None, {})
    opened.set_identity({"seed": 1}, {1: ["first"]})
    opened.set_identity({"seed": 2}, {2: ["second"]})
    assert opened.identity == {"seed": 2}
    assert opened.generations == {1: '["first"]', 2: '["second"]'}


FORMAT_1 = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, condition TEXT NOT NULL, start INTEGER NOT NULL,
    stop INTEGER NOT NULL, checksum BLOB NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE damaged AS SELECT * FROM blocks;
PRAGMA user_version = 1;
"""


def test_a_store_of_the_first_format_is_read_and_made_one_of_the_next_when_written_to(store):
    connection = sqlite3.connect(store)
    connection.executescript(f"{FORMAT_1} PRAGMA application_id = {APPLICATION_ID}")
    with connection:
        row = (FIRST.given, FIRST.start, FIRST.stop, FIRST.checksum(), FIRST.payload)
        connection.execute("INSERT INTO blocks VALUES (1, ?, ?, ?, ?, ?)", row)
    connection.close()
    with Store(store, read_only=True) as reader:
        assert (list(reader.records()), reader.generations) == ([FIRST], {})
    for _ in range(2):
        with Store(store) as opened:
            opened.add([replace(SECOND, generation=1)])
            assert next(opened.records()) == FIRST
            assert opened.damaged() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", b"fjrst"),
        ("start", 1),
        ("stop", 4),
        ("condition", "b"),
        ("checksum", b"x"),
        ("generation", 1),
    ],
)
def test_no_part_of_a_record_can_change_unseen(store, column, value):
    with Store(store, create=True) as opened:
        opened.add([FIRST, SECOND])
    damage(store, column, value)
    with Store(store) as opened:
        assert list(opened.records()) == [SECOND]
        (bad,) = opened.damaged()
        assert opened.set_aside() == [bad]
        assert (opened.damaged(), list(opened.records())) == ([], [SECOND])
    connection = sqlite3.connect(store)
    assert connection.execute("SELECT count(*) FROM damaged").fetchone() == (1,)
    connection.close()


def test_one_driver_at_a_time_and_any_number_of_readers(opened, store):
    with pytest.raises(StoreError, match="another run is using this store"):
        Store(store)
    with Store(store, read_only=True) as reader:
        opened.add([FIRST])
        assert list(reader.records()) == [FIRST]


def test_at_rest_it_is_one_file(store):
    with Store(store, create=True) as opened:
        opened.add([FIRST])
    assert sorted(path.name for path in store.parent.iterdir()) == ["store.db"]


def test_what_is_not_there_is_made_only_where_that_is_asked_for(store):
    for read_only in (False, True):
        with pytest.raises(StoreError, match="there is no such store"):
            Store(store, read_only=read_only)
    assert list(store.parent.iterdir()) == []


def test_another_programs_database_is_left_alone(store):
    connection = sqlite3.connect(store)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = store.read_bytes()
    with pytest.raises(StoreError, match="a database, but not a store of Crystallize"):
        Store(store, create=True)
    assert store.read_bytes() == before


def test_a_store_of_a_later_format_asks_for_an_update(store):
    Store(store, create=True).close()
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StoreError, match=r"has format 9.*reads format 4\. Update Crystallize"):
        Store(store)


def test_an_identity_that_is_no_json_is_damage(store):
    with Store(store, create=True) as opened:
        opened.set_identity({"seed": 1})
    connection = sqlite3.connect(store)
    with connection:
        connection.execute("UPDATE about SET value = 'no json' WHERE key = 'identity'")
    connection.close()
    with Store(store) as opened, pytest.raises(StoreError, match="the store is damaged"):
        opened.identity  # noqa: B018


def test_the_root_seed_is_there_once_there_is_an_experiment(store):
    assert stored_root(store) is None
    store.touch()
    assert stored_root(store) is None
    with Store(store, create=True) as opened:
        assert stored_root(store) is None
        opened.set_identity({"seed": 2**70})
        assert stored_root(store) == 2**70
