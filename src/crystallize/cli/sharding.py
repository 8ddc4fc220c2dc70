"""Shards on the command line: where each keeps its cells, and what is missing of them together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from crystallize.cli.streams import say
from crystallize.description.array_jobs import VARIABLE
from crystallize.description.config import Config
from crystallize.description.shard import AUTO, one_of_its_own
from crystallize.description.spec import RULES, ExperimentSpec
from crystallize.errors import OptionError, StoreError, StoreMismatchError
from crystallize.printable import one_line
from crystallize.store.merging import merge
from crystallize.store.parts import Missing
from crystallize.store.stored import StoredExperiment

SHOWN = 8
"""How many ranges of a condition, and how many shards, are named."""

LONGEST_NAME = 100
"""How much of an experiment's name is in that of a file, ..."""
NOT_IN_NAMES = re.compile(r"[^\w.,=+-]+")
"""... and what of it is not."""


shard_option = click.option(
    "--shard",
    metavar="I/N",
    help="Run a part of every condition's replicates: 3/10, or what the array job says: auto.",
)
from_merge_option = click.option(
    "--from-merge",
    "merged",
    metavar="STORE [STORE]...",
    multiple=True,
    help="Put these stores together into the run's, and run what is missing.",
)


def merged_stores(
    named: Sequence[str], following: Sequence[str], *, dry_run: bool
) -> list[StoredExperiment]:
    """The stores that ``--from-merge`` names, those that follow it, and those that match them.

    Raises
    ------
    CrystallizeError
    """
    if following and not named:
        raise OptionError(f"{following[0]}: what follows CONFIG goes with --from-merge.")
    if named and dry_run:
        raise OptionError("--from-merge writes a store, and --dry-run writes nothing: give one.")
    paths: dict[Path, None] = {}
    for path in map(Path, (*named, *following)):
        matching: list[Path] = []
        if not os.path.lexists(path):
            with suppress(OSError, ValueError):  # no pattern, or no place where files can be
                matching = sorted(path.parent.glob(path.name))
        paths |= dict.fromkeys(matching or [path])
    return [StoredExperiment(path) for path in paths]


def in_parts(
    config: Config,
    shard: str | None,
    paths: Mapping[str, Path | None],
    sources: Sequence[StoredExperiment],
) -> dict[str, Any]:
    """The arguments of an experiment that is run in shards, or of which there are stores.

    Raises
    ------
    CrystallizeError
    """
    # Paths are taken, and messages call them, as they were given.
    wanted: dict[str, Any] = {name: path for name, path in paths.items() if path is not None}
    if shard is not None:
        wanted["shard"] = RULES["shard"]("--shard", shard)
    if config.store is None and (sources or shard is not None):
        store = _usual_store(config)
        wanted["store"] = store if shard is None else one_of_its_own(store, wanted["shard"])
    if sources and config.experiment.values["seed"] is None:
        wanted["seed"] = sources[0].identity["seed"]
    return wanted


def _usual_store(config: Config) -> Path:
    """Where cells are kept that nobody said a place for: here, under the experiment's name."""
    name = config.experiment.values.get("name") or config.experiment.function.partition(":")[2]
    return Path(f"{NOT_IN_NAMES.sub('-', name)[:LONGEST_NAME].strip('-.') or 'experiment'}.db")


def say_shard(experiment: ExperimentSpec) -> None:
    """Say what a shard is of, by what, and where it is kept; or that nobody asked for one."""
    shard, environment = experiment.shard, os.environ.get(VARIABLE)
    if shard is not None:
        source = f" ({shard.source})" if shard.source else ""
        cells = f"{experiment.cells} of {sum(experiment.replicates_of.values())} cells"
        say(f"Shard {shard}{source}: {cells}, kept in {experiment.store}", err=True)
    elif environment:
        say(f"All is run, no shard: {VARIABLE}={environment} is for --shard {AUTO}.", err=True)


@contextmanager
def merged_into(experiment: ExperimentSpec, sources: list[StoredExperiment]) -> Iterator[None]:
    """Put stores together into that of an experiment, which is to run meanwhile.

    Raises
    ------
    StoreError
        If there is one already.
    """
    output = experiment.store
    if not sources or output is None:
        yield
        return
    if os.path.lexists(output):
        raise StoreError(
            f"{output}: there is a file already, and --from-merge makes a new one. To go on with "
            "it leave out --from-merge; or give another --store."
        )
    merge(sources, output, accept_changes=experiment.accept_changes)
    say(f"Merged: {len(sources)} stores into {output}.", err=True)
    try:
        yield
    except StoreMismatchError:
        output.unlink()  # it is of no use to who is told so
        raise


def say_missing(missing: Missing, output: Path) -> None:
    """Say which replicates of which conditions are missing, of which shards, and what runs them."""
    say(f"missing: {missing.cells} cells", err=True)
    for condition, ranges in list(missing.ranges.items()):
        if ranges:
            cells = sum(stop - start for start, stop in ranges)
            named = ", ".join(_range(*one) for one in ranges[:SHOWN])
            more = f", and {len(ranges) - SHOWN} more ranges" if len(ranges) > SHOWN else ""
            say(
                f"  {one_line(condition)}: {cells} of {missing.replicates[condition]} replicates: "
                f"{named}{more}",
                err=True,
            )
    shards = missing.by_shard() or {}
    paths = {str(shard): path for shard, path in missing.shards.items()}
    for shard, cells in list(shards.items())[:SHOWN]:
        path = paths.get(str(shard))
        state = "no store of it here" if path is None else f"{cells} cells missing in {path}"
        store = "" if path is None else f" --store {path}"
        say(f"shard {shard}: {state}: crystallize run CONFIG --shard {shard}{store}", err=True)
    if len(shards) > SHOWN:
        say(f"and {len(shards) - SHOWN} more shards", err=True)
    say(f"all of it: crystallize run CONFIG --store {output}", err=True)


def _range(start: int, stop: int) -> str:
    return str(start) if stop - start == 1 else f"{start} to {stop - 1}"
