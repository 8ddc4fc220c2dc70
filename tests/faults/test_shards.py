"""Ten shards under as many strategies, one of them killed: together the bytes of one run."""

import os
import subprocess
import sys

import cloudpickle
import pytest
import sharded

from crystallize.errors import StoreWarning
from crystallize.store.merging import merge, missing
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

cloudpickle.register_pickle_by_value(sharded)


def test_ten_shards_of_which_one_was_killed_are_one_run(tmp_path):
    stores = {number: tmp_path / f"results-{number}of10.db" for number in range(1, 11)}
    killed = stores[sharded.KILLED]
    ended = subprocess.run(
        [sys.executable, sharded.__file__, killed, f"{sharded.KILLED}/10"],
        env={**os.environ, "SHARD_IS_KILLED": "1"},
        timeout=60,
    )
    assert ended.returncode < 0
    left = StoredExperiment(killed)
    assert 0 < sum(left.done.values()) < 40
    for number, store in stores.items():
        if number != sharded.KILLED:
            sharded.run(number, store)

    # The asynchronous one is of a coroutine function, which is other code.
    sources = [StoredExperiment(store) for store in stores.values()]
    merge(sources, tmp_path / "part.db", accept_changes=True)
    lacking = missing(StoredExperiment(tmp_path / "part.db"), sources).by_shard()
    assert {str(shard) for shard in lacking} == {f"{sharded.KILLED}/10"}

    sharded.run(sharded.KILLED, killed)
    sources = [StoredExperiment(store) for store in stores.values()]
    merge(sources, tmp_path / "all.db", accept_changes=True)
    whole = sharded.experiment().run()
    with pytest.warns(StoreWarning, match="cells of generation 2"):
        merged = sharded.experiment(store=tmp_path / "all.db", accept_changes=True).run()
    assert merged.provenance["store"]["found"] == 2 * sharded.REPLICATES
    same_result(whole, merged)
    found, expected = merged.to_dict(), whole.to_dict()
    assert {**found, "provenance": None} == {**expected, "provenance": None}
