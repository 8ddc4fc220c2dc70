"""A program: one run after another is interrupted at a random time, and then gone on with.

Arguments: the way, how many runs, and the seed of the times.
"""

import asyncio
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

from crystallize import Experiment, Interrupted, Result

REPLICATES = 60
LONGEST = 0.12
"""Up to how many seconds after the beginning of a run it is interrupted."""


def trial(replicate):
    time.sleep(0.001)
    return {"x": float(replicate), "n": replicate}


async def atrial(replicate):
    await asyncio.sleep(0.001)
    return {"x": float(replicate), "n": replicate}


FOUR_AT_ONCE = {"execution": "async", "execution_options": {"max_concurrency": 4}}
PROCESSES = {"execution_options": {"executor_type": "process", "max_workers": 2}}
WAYS = {
    "run": lambda **given: Experiment(trial, **given).run(),
    "arun": lambda **given: asyncio.run(Experiment(trial, **given).arun()),
    "stream": lambda **given: [*Experiment(trial, **given).stream()] and None,
    "async": lambda **given: Experiment(atrial, **FOUR_AT_ONCE, **given).run(),
    "process": lambda **given: Experiment(trial, execution="parallel", **PROCESSES, **given).run(),
}


def interrupted(way, number, pauses):
    """What was left when signals came at random times; ``None`` where they came outside a run."""

    sent = []

    def send():
        for pause in pauses:
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGINT)
            sent.append(pause)

    sender = threading.Thread(target=send)
    result = None
    try:
        sender.start()
        result = WAYS[way](**number)
    except Interrupted as error:
        result = error.result
    except KeyboardInterrupt:
        pass  # before the run began, or after it had ended
    while len(sent) < len(pauses):  # Thread.join() would take an interrupted wait for the end
        with suppress(KeyboardInterrupt):
            time.sleep(0.001)
    return result


def check(result, done, whole):
    for i in range(REPLICATES):
        if result.done["baseline"][i]:
            row = result.metrics["baseline"]
            assert (row["x"][i], row["n"][i]) == (i, i), (i, row["x"][i], row["n"][i])
    assert result.errors == [], result.errors
    assert int(result.done["baseline"].sum()) == done, (result.done, done)
    assert not whole or done == REPLICATES, done


def say_unless_of_a_loop_half_made(found):
    """A signal may come while asyncio.run makes its loop, which cannot be closed then."""
    if found.object is not asyncio.BaseEventLoop.__del__:
        sys.__unraisablehook__(found)


def is_ours(record):
    """Whether asyncio complains of something else than a signal just after the end of a run.

    Then nobody took from it what the run had raised.
    """
    never = record.getMessage().startswith("Task exception was never retrieved")
    return not (never and record.exc_info and isinstance(record.exc_info[1], Interrupted))


def main(way, runs, seed):
    chance = random.Random(seed)
    WAYS[way](replicates=2)  # what is imported for it is no concern of the signals
    hits = 0
    for number in range(runs):
        path = Path(f"{way}-{number}.db")
        pauses = [chance.uniform(0, LONGEST)]
        if chance.random() < 0.3:
            pauses.append(chance.uniform(0, 0.01))
        given = {"replicates": REPLICATES, "seed": 1, "store": path}
        where = f"{way}, run {number}, seed {seed}, signals after {pauses}"
        try:
            result = None
            with suppress(KeyboardInterrupt):
                result = interrupted(way, given, pauses)
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            found = 0
            if path.exists() and path.stat().st_size:
                try:
                    kept = Result.from_store(path)
                except Exception as error:
                    assert result is None and "empty" in str(error), error
                else:
                    found = int(kept.done["baseline"].sum())
                    check(kept, found, False)
                    if result is not None:
                        check(result, found, False)
                        hits += found < REPLICATES
            signal.signal(signal.SIGINT, before)
            rest = Experiment(trial if way != "async" else atrial, **given).run()
            assert rest.provenance["store"]["found"] == found, (rest.provenance["store"], found)
            check(rest, REPLICATES, True)
            path.unlink()
        except BaseException:
            print(where, file=sys.stderr)
            raise
    print(f"{hits} of {runs} in the middle of a run")


if __name__ == "__main__":
    warnings.simplefilter("error")
    # A signal may also come into asyncio.run, before it has anything of ours to run.
    warnings.simplefilter("ignore", ResourceWarning)
    warnings.filterwarnings("ignore", "coroutine 'Experiment.arun' was never awaited")
    # Or into its end, while it closes the loop.
    for name in ("asyncgens", "default_executor"):
        unawaited = f"coroutine 'BaseEventLoop.shutdown_{name}' was never awaited"
        warnings.filterwarnings("ignore", unawaited)
    logging.getLogger("asyncio").addFilter(is_ours)
    sys.unraisablehook = say_unless_of_a_loop_half_made
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
