"""Checks of an executor in a program of its own, which is interrupted."""

from __future__ import annotations

from crystallize.testing.facts import CLOSE_SECONDS, MARGIN_SECONDS, ExecutorChecks, streaming
from crystallize.testing.interruption import Elsewhere, run_elsewhere

OUTLASTING_SECONDS = 8.0
"""How long a cell takes that a program must not wait for, nor its workers when it has ended; an
engine that cannot end a call is busy with it for as long, and no more is needed."""


class ProgramChecks(ExecutorChecks):
    """What an executor does to the program that it is in."""

    def test_ctrl_c_ends_a_program(self) -> None:
        found = self._elsewhere()
        # The driver has no hold on a plain loop but between two calls.
        limit = CLOSE_SECONDS + 3 * MARGIN_SECONDS if self.facts.streams else self.patience
        assert found.has_begun, (
            f"a run in a program of its own had not come to its fourth cell after "
            f"{self.patience / 2:g} seconds; 'patience' says how long that may take."
        )
        assert found.status is not None and found.seconds <= limit, (
            f"the program went on for {found.seconds:.1f} seconds after Ctrl-C. Let exceptions "
            "through, cancel what waits, and leave no thread that keeps the interpreter from "
            "ending."
        )
        assert "kept" in found.found, (
            "after Ctrl-C the run has not ended as an interrupted one does. Let KeyboardInterrupt "
            f"and other exceptions of BaseException's kind through.\n{found.errors}"
        )

    @streaming
    def test_ctrl_c_keeps_what_finished(self) -> None:
        kept = self._elsewhere().found.get("kept", 0)
        assert kept, (
            "three cells had finished before Ctrl-C, and none was kept. Yield each completion as "
            "it happens."
        )

    def test_ctrl_c_leaves_no_process(self) -> None:
        orphans = self._elsewhere().orphans
        assert not orphans, (
            f"processes {orphans} outlived the program that had started them. End workers when a "
            "run ends, and have them end by themselves when their driver is gone."
        )

    def test_signal_handlers_are_as_they_were(self) -> None:
        changed = self._elsewhere().found["changed"]
        changes = [name for name in changed if name.startswith("the handler")]
        assert not changes, (
            f"after a run in the main thread {' and '.join(changes)} had changed. Leave signals "
            "to the driver, or put back what was there when the run ends."
        )

    def test_what_is_global_is_as_it_was(self) -> None:
        found = dict.fromkeys([*self._elsewhere().found["changed"], *self._changed])
        changes = [name for name in found if not name.startswith("the handler")]
        assert not changes, (
            f"after its first runs {' and '.join(changes)} of the driver's process had changed. "
            "Leave what is global alone, or put it back when the run ends."
        )

    def test_nothing_is_printed_on_standard_output(self) -> None:
        printed = self._elsewhere().printed
        assert not printed, (
            f"it prints on standard output: {printed[:3]}. That is the user's: print on standard "
            "error, or log."
        )

    def _elsewhere(self) -> Elsewhere:
        """What a program came to that ran it in its main thread, and was interrupted."""
        streams = self.facts.streams

        def gather() -> Elsewhere:
            found = run_elsewhere(
                self.make(),
                type(self).__module__,
                self.folder,
                is_async=self.is_async,
                # A loop is looked at between two cells.
                seconds=OUTLASTING_SECONDS if streams else 0.3,
                replicates=40 if streams else 400,
                patience=self.patience / 2,
            )
            assert found.found.get("values") == [4.0] * 20, (
                "a run in a program of its own, in its main thread, did not come to its values:\n"
                f"{found.errors or found.printed}"
            )
            return found

        return self.evidence("elsewhere", gather)
