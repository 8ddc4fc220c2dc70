"""Failed cells as the commands show them: those that are alike once, with how to run one again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from crystallize.cells.failure_kinds import FailureKinds, by_condition
from crystallize.cells.outcome import CellError
from crystallize.printable import one_line

SHOWN_KINDS = 10
LONGEST = 500
"""How much of a message is shown."""
Replay = Callable[[CellError], str]
"""What gives the command that runs a cell again."""


def failure_lines(errors: Iterable[CellError], replay: Replay) -> Iterator[str]:
    """Two lines for each condition and type: the first failure, and the command to replay it."""
    kinds = list(FailureKinds(by_condition, errors))
    for cells, e in kinds[:SHOWN_KINDS]:
        more = f" ({cells - 1} more of this condition and type)" if cells > 1 else ""
        yield (
            f"Failed: condition {e.condition!r}, replicate {e.replicate}, seed {e.seed}: "
            f"{one_line(e.type)}: {one_line(e.message[:LONGEST])}{more}"
        )
        yield f"  {one_line(replay(e))}"
    if rest := kinds[SHOWN_KINDS:]:
        cells = sum(kind.cells for kind in rest)
        yield f"… and {cells} more, of other conditions or types; --json shows all."


def replay_of_store(store: Path) -> Replay:
    """The command that replays a cell of a store."""

    def command(error: CellError) -> str:
        return _command(store, error, [])

    return command


def replay_of_config(config: Path, overrides: Sequence[str], seed: int | None) -> Replay:
    """The command that replays a cell of a config, with what was set beside it.

    Parameters
    ----------
    seed : int, optional
        The root, where it is another than the config's.
    """
    settings = [*overrides, *([] if seed is None else [f"experiment.seed={seed}"])]

    def command(error: CellError) -> str:
        return _command(config, error, [word for one in settings for word in ("--set", one)])

    return command


def _command(path: Path, error: CellError, further: list[str]) -> str:
    cell = ["--replicate", str(error.replicate), "--condition", error.condition]
    return shlex.join(["crystallize", "replay", str(path), *cell, *further])
