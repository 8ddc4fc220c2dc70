"""A program that runs an executor in its main thread, and is interrupted: ``python -m`` this.

It reads its orders from standard input, and writes what it found as lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

QUICK = 3
"""How many cells are quick, before those in which the program is interrupted; whichever the
executor begins with."""


def noted(replicate: int, notes: str, seconds: float) -> float:
    """Note that a cell has begun, and take long after the first few."""
    time.sleep(0.0 if _is_quick(notes, replicate) else seconds)
    return float(replicate)


async def noted_async(replicate: int, notes: str, seconds: float) -> float:
    """The same as a coroutine function."""
    import asyncio

    await asyncio.sleep(0.0 if _is_quick(notes, replicate) else seconds)
    return float(replicate)


def _is_quick(notes: str, replicate: int) -> bool:
    """Note that a cell has begun; whether it is one of the first."""
    with Path(notes).open("a") as file:
        file.write(f"{replicate}\n")
    return Path(notes).read_text().split().index(str(replicate)) < QUICK


def say(**found: Any) -> None:
    """Write a line for who started this program."""
    print(json.dumps({"found": found}), flush=True)


def main() -> None:
    """Run twice undisturbed, then until the program is interrupted."""
    import cloudpickle

    paths, orders = cloudpickle.load(sys.stdin.buffer)
    sys.path[:] = paths
    orders, again = cloudpickle.loads(orders), cloudpickle.loads(orders)
    from crystallize.experiments.experiment import Experiment
    from crystallize.results.errors import Interrupted
    from crystallize.testing.surroundings import changed, global_state
    from crystallize.testing.trials import square, square_async

    executor, is_async = orders["executor"], orders["is_async"]
    function = square_async if is_async else square
    before = global_state(generators=False)
    small = Experiment(function, {"a": {"index": 2}}, replicates=20, execution=executor)
    values = small.run().metrics["a"]["value"].tolist()
    next(stream := small.stream())
    stream.close()
    say(values=values, changed=changed(before, global_state(generators=False)))

    parameters = {"notes": orders["notes"], "seconds": orders["seconds"]}
    long = Experiment(
        noted_async if is_async else noted,
        {"a": parameters},
        replicates=orders["replicates"],
        execution=again["executor"],  # not the one that was closed
    )
    try:
        long.run()
    except Interrupted as error:
        say(kept=int(error.result.done["a"].sum()))
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    os.environ.pop("CRYSTALLIZE_PLUGIN_ERRORS", None)
    # What a shell starts in its background ignores Ctrl-C, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
