"""From outcomes to a result."""

from types import SimpleNamespace

import numpy as np

from crystallize.cells.block import Failure
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.rows import Rows
from crystallize.cells.table import Table
from crystallize.results.collation import collated


def test_everything_of_the_outcomes_is_in_the_result():
    rows = Rows(0)
    rows.add(0, {"x": 1.5})
    table, empty = Table(0, 2), Table(0, 2)
    table.add(rows.block(0, [Failure(1, "ValueError", "no", "")], 0.1))
    error = CellError("a", 1, 7, "ValueError", "no", "", 1)
    outcomes = Outcomes({"a": table, "b": empty}, (error,), 42, {"experiment": "small"})
    result = collated(SimpleNamespace(baseline="b"), outcomes)
    assert (result.root, result.baseline, result.errors) == (42, "b", [error])
    assert result.done["a"].tolist() == [True, False]
    assert result.metrics["a"]["x"][0] == 1.5
    assert np.isnan(result.metrics["b"]["x"]).all()
    assert (result.provenance, result.sections) == ({"experiment": "small"}, {})
    result.provenance["more"] = 1
    assert "more" not in outcomes.provenance
