"""A result: what it says of itself, and that it is its parts."""

import numpy as np
import pytest

from crystallize import Result
from crystallize.cells.block import Failure
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.rows import Rows
from crystallize.cells.table import Table
from crystallize.description.seeding import Seeding


@pytest.fixture
def small():
    return Result(
        metrics={"a": {"x": np.array([1.0, 2.0])}, "b": {"x": np.array([3.0, np.nan])}},
        done={"a": np.array([True, True]), "b": np.array([True, False])},
        errors=[CellError("b", 1, 7, "ValueError", "no", "", 1)],
        root=42,
        baseline="a",
        provenance={"experiment": "small"},
    )


def test_it_has_its_conditions_in_order_and_its_replicates(small):
    assert small.conditions == ["a", "b"]
    assert small.replicates == 2
    assert small.sections == {}


def test_seeds_are_those_of_the_root_and_made_once(small):
    assert small.seeds == [Seeding(42).seed(0), Seeding(42).seed(1)]
    assert small.seeds is small.seeds


def test_metrics_can_be_added_without_changing_what_was_given():
    given = {"a": {"x": np.array([1.0])}}
    result = Result(given, {"a": np.array([True])}, [], 1, "a", {})
    result.metrics["a"]["y"] = np.array([2.0])
    assert list(given["a"]) == ["x"]


def test_no_two_results_share_sections():
    one, two = (Result({}, {}, [], 1, "a", {}) for _ in range(2))
    one.sections["s"] = 1
    assert two.sections == {}


def test_it_shows_its_summary(small):
    assert [(row["condition"], row["n"], row["failed"]) for row in small.summary()] == [
        ("a", 2, 0),
        ("b", 1, 1),
    ]
    assert repr(small).endswith("1 cell failed; see .errors")
    assert "<table>" in small._repr_html_()


def test_a_subclass_is_saved_and_loaded_as_itself(small, tmp_path):
    class Mine(Result):
        pass

    small.save(tmp_path / "r.zip")
    assert type(Mine.load(tmp_path / "r.zip")) is Mine


def test_everything_of_the_outcomes_is_in_the_result():
    rows = Rows(0)
    rows.add(0, {"x": 1.5})
    table, empty = Table(0, 2), Table(0, 2)
    table.add(rows.block(0, [Failure(1, "ValueError", "no", "")], 0.1))
    error = CellError("a", 1, 7, "ValueError", "no", "", 1)
    outcomes = Outcomes({"a": table, "b": empty}, (error,), 42, {"experiment": "small"})
    result = Result.of_outcomes(outcomes, "b")
    assert (result.root, result.baseline, result.errors) == (42, "b", [error])
    assert result.done["a"].tolist() == [True, False]
    assert result.metrics["a"]["x"][0] == 1.5
    assert np.isnan(result.metrics["b"]["x"]).all()
    assert (result.provenance, result.sections) == ({"experiment": "small"}, {})
    result.provenance["more"] = 1
    assert "more" not in outcomes.provenance
