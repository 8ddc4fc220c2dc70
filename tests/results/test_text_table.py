"""A table in the room that there is."""

from crystallize import Experiment, grid
from crystallize.results.text_table import Room, TextTable

TABLE = TextTable(
    columns=["name", "a", "b", "c"],
    rows=[[f"row{i}", *(str(i * j) for j in (1, 10, 100))] for i in range(8)],
    numbers=[False, True, True, True],
    names=1,
    heading="Heading",
    notes=["note"],
)


def test_of_a_long_table_there_are_head_and_tail():
    lines = TABLE.text(Room(rows=4, everything="--all shows them")).splitlines()
    assert [line.split()[0] for line in lines] == [
        "Heading", "name", "row0", "row1", "…", "row6", "row7", "note",
    ]  # fmt: skip
    assert lines[4] == "… 4 rows more; --all shows them"


def test_a_table_that_fits_is_whole():
    assert TABLE.text(Room(rows=8, width=80)) == TABLE.text()


def test_the_columns_of_a_wide_table_go_on_below_with_their_names():
    text = TABLE.text(Room(width=12))
    assert max(map(len, text.splitlines())) <= 12
    first, second = text.split("\n\n")
    assert first.splitlines()[1].split() == ["name", "a", "b"]
    assert second.splitlines()[0].split() == ["name", "c"]
    assert all(text.count(f"row{i}") == 2 for i in range(8))


def test_a_column_that_is_wider_than_the_room_stands_alone():
    table = TextTable(["a", "b"], [["x" * 30, "y" * 30]], [False, False])
    assert table.text(Room(width=10)).splitlines()[1] == "x" * 30


def test_a_long_result_says_how_to_see_all_of_it():
    result = Experiment(lambda n: float(n), grid(n=range(200)), replicates=2, seed=1).run()
    lines = repr(result).splitlines()
    assert len(lines) == 62
    assert lines[31] == "… 140 rows more; print(result.text()) shows them"
    assert len(result.text().splitlines()) == 201


def test_names_that_say_the_same_are_shown_once():
    def head(sets):
        return repr(Experiment(lambda **given: 1.0, sets).run()).split()[:3]

    assert head(grid(x=[1, 2], y=["a"])) == ["x", "metric", "n"]
    assert head({"a": {"x": "a"}, "b": {"x": "b"}}) == ["condition", "metric", "n"]
    assert head({"a": {"x": 1}, "b": {"x": 2}}) == ["condition", "x", "metric"]
    assert head({"x=1": {"x": 2}, "x=2": {"x": 1}}) == ["condition", "x", "metric"]
    assert head({"x=1": {"x": 1}, "x=1,old": {"x": 1}}) == ["condition", "metric", "n"]


def test_a_factor_that_is_named_like_a_column_is_told_apart():
    result = Experiment(lambda n: float(n), grid(n=[1, 2])).run()
    assert [(row["factor.n"], row["n"]) for row in result.summary()] == [(1, 1), (2, 1)]
