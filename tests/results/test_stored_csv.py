"""A store as CSV, page by page: the bytes of the result's own."""

import pytest

from crystallize import Experiment, Result, grid
from crystallize.results.stored_csv import export_csv


def floats(rng):
    return {"x": rng.normal(), "vector": rng.normal(size=2)}


def mixed(replicate, n):
    """Every kind of value, some of which come late, are missing, or are of another kind."""
    if replicate == 20:
        raise ValueError("no")
    found = {
        "whole": replicate,
        "number": replicate if replicate % 2 else replicate / 4,
        "text": f'a, "{replicate}"\n',
        "flag": replicate % 3 == 0,
        "large": 2**60 + replicate,
        "either": True if replicate % 2 else replicate,
        "n": [1, replicate],
        "complex": complex(replicate, n),
    }
    if replicate > 30:
        found = {"late": replicate, **found}
    if replicate == 40:
        del found["whole"]
    return found


def all_whole(replicate, n):
    return {"whole": replicate, "other": float("nan") if replicate == 3 else 1}


def fails_first(replicate, n):
    if n == 1:
        raise ValueError("no")
    return {"whole": replicate}


@pytest.mark.parametrize(
    ("function", "conditions"),
    [
        (floats, None),
        (mixed, grid(n=[1, 2])),
        (all_whole, grid(n=[1, 2])),
        (fails_first, grid(n=[1, 2])),
    ],
)
def test_it_is_the_bytes_of_the_whole_result(tmp_path, function, conditions):
    store = tmp_path / "s.db"
    for replicates in (50, 200):  # in two runs, so that blocks end anywhere
        Experiment(function, conditions, replicates=replicates, seed=1, store=store).run()
    Result.from_store(store).to_csv(tmp_path / "whole.csv")
    export_csv(store, tmp_path / "pages.csv")
    whole = (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "pages.csv").read_bytes() == whole
    assert whole.count(b"\n") > 200


def test_cells_that_are_missing_have_rows(tmp_path):
    store = tmp_path / "s.db"
    Experiment(all_whole, {"b": {"n": 1}}, replicates=100, seed=1, store=store).run()
    more = {"a": {"n": 2}, "b": {"n": 1}}
    Experiment(all_whole, more, replicates=1, seed=1, store=store).run()
    Result.from_store(store).to_csv(tmp_path / "whole.csv")
    export_csv(store, tmp_path / "pages.csv")
    assert (tmp_path / "pages.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
