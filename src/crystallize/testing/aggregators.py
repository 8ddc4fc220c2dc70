"""The conformance suite of aggregators."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any

import pytest

from crystallize.cells.plain import json_data, plain_data
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.testing.suite import where
from crystallize.testing.varied import VARIED
from crystallize.testing.watched import PluginChecks


def _adds(host: Host) -> bool:
    return host.implements("extend_result")


extending = where(_adds, "aggregators that add sections")


def _text(result: Result) -> str:
    """The sections of a result, to be compared."""
    return json.dumps(json_data(plain_data(result.sections, "sections")), sort_keys=True)


class AggregatorSuite(PluginChecks):
    """What every aggregator must do; override :meth:`make`, and :attr:`trial` if need be.

    Examples
    --------
    Under pytest::

        class TestQuantiles(AggregatorSuite):
            def make(self):
                return Quantiles([0.25, 0.75])
    """

    kind = "aggregators"

    @extending
    def test_it_adds_sections_of_plain_data(self) -> None:
        result = self.result(self.make())
        assert not self._raised(result), (
            f"on results with nothing missing it fails:\n{self._raised(result)}\nA section is "
            "None, booleans, numbers, strings, NumPy scalars and arrays, and lists and "
            "string-keyed mappings of these."
        )
        assert result.sections, (
            "extend_result added no section. Return a mapping of a section's name to its data; "
            "if the metrics that it looks for are missing, give the suite a trial that has them."
        )

    @pytest.mark.parametrize("what", [*VARIED, "one replicate", "one condition"])
    def test_it_copes_with(self, what: str) -> None:
        options: dict[str, Any] = {}
        if what == "one replicate":
            options["replicates"] = 1
        elif what == "one condition":
            options["conditions"] = dict([next(iter(self.conditions.items()))])
        else:
            options["trial"] = VARIED[what](self.trial)
        raised = self._raised(self.result(self.make(), **options))
        assert not raised, (
            f"with {what} it fails, which costs its sections:\n{raised}\nLeave out what cannot be "
            "computed, or give None for it."
        )

    def test_sections_survive_json_and_files(self) -> None:
        result = self.result(self.make())
        result.save(self.folder / "result")
        assert _text(Result.load(self.folder / "result")) == _text(result), (
            "sections are not the same when a result is saved and loaded."
        )
        result.to_json(self.folder / "result.json")
        written = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        assert written["sections"] == json.loads(_text(result)), (
            "sections are not the same in JSON."
        )

    @pytest.mark.parametrize("how", ["again", "in threads", "resumed"])
    def test_sections_are_the_same_whichever_way_it_ran(self, how: str) -> None:
        options: dict[str, Any] = {}
        if how == "resumed":
            options["store"] = self.folder / "store.sqlite"
            self.result(self.make(), replicates=self.replicates // 2, **options)
        elif how == "in threads":
            options["execution"] = "parallel"
            options["execution_options"] = {"max_workers": 3}
        assert _text(self.result(self.make(), **options)) == _text(self.result(self.make())), (
            f"the sections of one experiment are other ones when it ran {how}. Compute them from "
            "the metrics, or from page after page: batches of outcomes come in any order and "
            "size, and the provenance says how a run went. Take nothing from the clock, and "
            "randomness from a generator with a seed of its own."
        )

    def test_nothing_is_carried_from_one_result_to_the_next(self) -> None:
        aggregator = self.make()
        self.result(aggregator, seed=1, replicates=self.replicates // 2)
        again = _text(self.result(aggregator))
        assert again == _text(self.result(self.make())), (
            "the sections of a second experiment depend on the first one's. Keep what belongs to "
            "a run by 'run', and forget it when that ends."
        )

    def test_two_experiments_aggregate_at_once(self) -> None:
        aggregator = self.make()
        experiments = [self.experiment(aggregator, seed=seed) for seed in (1, 2)]
        found: dict[int, str] = {}

        def run(seed: int) -> None:
            found[seed] = _text(experiments[seed - 1].run())

        # Threads, whose warnings are not each other's: nobody records them here.
        threads = [Thread(target=run, args=(seed,), daemon=True) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.patience)
        alone = {seed: _text(self.result(self.make(), seed=seed)) for seed in (1, 2)}
        assert found == alone, (
            "the sections of two experiments that run at once are not those of each alone. Keep "
            "what belongs to a run by 'run', which is another object in every run."
        )

    @staticmethod
    def _raised(result: Result) -> str:
        return "\n".join(
            error.get("traceback") or error["message"]
            for error in result.provenance["plugin_errors"]
        )
