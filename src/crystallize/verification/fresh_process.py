"""Cells in a new interpreter with a hash seed of its own, which nothing before them has touched."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from crystallize.cells.block import Block
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.table import Table
from crystallize.contracts import Task
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import CrystallizeError, ExecutorError, described
from crystallize.results.result import Result
from crystallize.run.rate_limit import MARGIN
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.cell_options import CellOptions
from crystallize.worker.contexts import WorkerContexts
from crystallize.worker.driver_state import DriverState
from crystallize.worker.interpreter_flags import interpreter_flags

Answer = tuple[list[Block], CrystallizeError | None]
PROGRAM = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"
WATCH_SECONDS = 1.0
"""How often the process looks whether who started it is still there."""


def run_in_fresh_process(
    experiment: ExperimentSpec, contexts: WorkerContexts, hash_seed: int
) -> Result:
    """Run an experiment's cells one after another in a process that is started for them.

    Raises
    ------
    ExecutorError
        If there is no such process, the function cannot get there, or it ends early.
    """
    if sys.flags.ignore_environment:
        raise ExecutorError("Python was started with -E or -I, and looks at no PYTHONHASHSEED")
    options = CellOptions(
        seed_globals=experiment.seed_globals, blas_threads=experiment.blas_threads
    )
    call = BlockCall(
        experiment.function,
        experiment.conditions,
        experiment.seeding,
        experiment.injected,
        options,
        contexts=contexts,
        retried=experiment.retry.exceptions,
    )
    try:
        limit = experiment.rate_limit
        apart = 0.0 if limit is None else MARGIN / limit
        cells = (len(experiment.conditions), experiment.replicates, experiment.retries, apart)
        # The call in bytes of its own: what the driver's state decides is there before it is made.
        orders = pickle.dumps((DriverState(), pickle.dumps(call), cells))
    except CrystallizeError:
        raise
    except Exception as error:
        raise ExecutorError(
            f"the function cannot be sent to another process: {described(error)}"
        ) from error
    blocks, refusal = _answer(orders, hash_seed)
    if refusal is not None:
        raise refusal
    return _result(experiment, blocks)


def _answer(orders: bytes, hash_seed: int) -> Answer:
    program = PROGRAM.format(path=sys.path, module=__name__)
    # -P: a module in the working directory must not be taken for the standard library's.
    ended = subprocess.run(
        [sys.executable, *interpreter_flags(), "-P", "-c", program],
        input=orders,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )
    try:
        answer: Answer = pickle.loads(ended.stdout)
    except Exception:
        return [], ExecutorError(f"the process ended with exit code {ended.returncode}")
    return answer


def _result(experiment: ExperimentSpec, blocks: list[Block]) -> Result:
    names = list(experiment.conditions)
    tables = {name: Table(0, experiment.replicates) for name in names}
    errors: dict[tuple[int, int], CellError] = {}
    for block in blocks:
        tables[names[block.condition]].add(block)
        for replicate in block.replicates():
            errors.pop((replicate, block.condition), None)
        for failure in block.failures:
            replicate = block.start + failure.offset
            seed = experiment.seeding.of(names[block.condition]).seed(replicate)
            errors[replicate, block.condition] = CellError(
                names[block.condition], replicate, seed, failure.type, failure.message,
                failure.traceback, 1,
            )  # fmt: skip
    in_order = [errors[cell] for cell in sorted(errors)]
    outcomes = Outcomes(
        tables,
        in_order,
        experiment.seed,
        seed_rule=experiment.seed_rule,
        stream_keys=experiment.stream_keys,
    )
    return Result.of_outcomes(outcomes, experiment.baseline)


def main() -> None:
    """Run what stands on standard input, and answer on standard output, which is nobody else's."""
    # Whoever started this process ends it. Not ignored: what a cell starts would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    blocks: list[Block] = []
    try:
        state, heavy, (conditions, replicates, retries, apart) = pickle.load(orders)
        state.take_over()
        call = pickle.loads(heavy)
        state.take_over()  # again, after what modules do when they are imported
        for condition in range(conditions):
            blocks.extend(_blocks(call, condition, replicates, retries, apart))
        call.close()
        answer: Answer = blocks, None
    except CrystallizeError as error:
        answer = [], error
    except Exception as error:
        answer = [], ExecutorError(described(error))
    with answers:
        pickle.dump(answer, answers)


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _blocks(
    call: Any, condition: int, replicates: int, retries: int, apart: float
) -> Iterator[Block]:
    start = 0
    while start < replicates:
        time.sleep(apart)
        block = call(Task(condition, start, start + 1 if apart else replicates))
        yield block
        for failure in block.failures:
            replicate, last = start + failure.offset, [failure]
            for _ in range(retries):
                if not last or last[0].is_final:
                    break
                time.sleep(max(last[0].retry_after, apart))
                again = call(Task(condition, replicate, replicate + 1))
                yield again
                last = again.failures
        start = block.stop
