"""So many cells begin in a second, over all workers, whatever they do."""

import asyncio
import heapq
import sys
import threading
import time
from math import ceil
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment, Retry, hookimpl
from crystallize.contracts import Pause
from crystallize.run.rate_limit import MARGIN, RateLimit
from crystallize.run.schedule import Schedule

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def most_in_a_second(began):
    return max(sum(first <= other < first + 1 for other in began) for first in began)


def simulated(a_second, durations, workers, start_up, failing, retry_after):
    """When cells begin, by a clock that nobody waits for, and when the last one ends."""
    now = 0.0
    limit = RateLimit(a_second, workers, begins_at_once=True)
    schedule = Schedule(
        [(0, 0, len(durations))], workers, single_cell=True, limit=limit, clock=lambda: now
    )
    began: list[float] = []
    under_way: list[tuple[float, float, Any]] = []  # when it ends, when it began, what
    tried: set[int] = set()
    free = dict.fromkeys(range(workers), start_up)
    while True:
        while len(under_way) < workers and (task := schedule.next_task()) is not None:
            if isinstance(task, Pause):
                heapq.heappush(under_way, (now + task.seconds, now, task))
                continue
            first = max(now, free.popitem()[1] if free else now)
            began.append(first)
            heapq.heappush(under_way, (first + durations[task.start], first, task))
        if not under_way:
            assert schedule.done
            return began, now
        if under_way[0][0] > now + (tick := schedule.tick()):
            now += tick
            continue
        now, first, task = heapq.heappop(under_way)
        if isinstance(task, Pause):
            schedule.ended(task)
            continue
        schedule.finished(task, 1, now - first)
        if task.start in failing and task.start not in tried:
            tried.add(task.start)
            schedule.try_again(0, task.start, retry_after)


@given(
    a_second=st.floats(0.3, 60),
    durations=st.lists(st.floats(0, 2), min_size=1, max_size=60),
    workers=st.integers(1, 40),
    start_up=st.floats(0, 3),
    failing=st.sets(st.integers(0, 60)),
    retry_after=st.floats(0, 3),
)
@settings(max_examples=150, deadline=None)
def test_no_second_has_more_than_the_limit(
    a_second, durations, workers, start_up, failing, retry_after
):
    began, _ = simulated(a_second, durations, workers, start_up, failing, retry_after)
    assert len(began) == len(durations) + len(failing & set(range(len(durations))))
    # Those that waited for their workers to start are known only when they have ended.
    assert most_in_a_second(began) <= max(1, ceil(a_second)) + (workers if start_up else 0)


@given(a_second=st.floats(1, 200), cells=st.integers(1, 300), each=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_the_limit_is_used(a_second, cells, each):
    workers = ceil(a_second * (each + 0.2)) + 1
    began, end = simulated(a_second, [each] * cells, workers, 0.0, set(), 0.0)
    assert end <= MARGIN * cells / a_second + each + 0.2
    assert most_in_a_second(began) <= ceil(a_second)


class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


def trial(replicate, log):
    with Path(log).open("a+") as file:
        file.seek(0)
        tried = sum(line.startswith(f"{replicate} ") for line in file)
        file.write(f"{replicate} {time.monotonic()}\n")
    if replicate % 5 == 0 and not tried:
        raise ConnectionError
    return float(replicate)


async def atrial(replicate, log):
    await asyncio.sleep(0.01)
    return trial(replicate, log)


@pytest.mark.parametrize("way", ["parallel", "futures"])
def test_all_workers_are_used_though_cells_begin_one_after_another(way):
    together = threading.Barrier(4, timeout=60)

    def meets():
        return together.wait() >= 0

    pool = {"factory": "concurrent.futures:ThreadPoolExecutor", "workers": 4}
    options = {"max_workers": 4} if way == "parallel" else pool
    limited = Experiment(
        meets, replicates=4, execution=way, execution_options=options, rate_limit=10
    )
    assert not limited.run().errors


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"execution": "parallel", "execution_options": {"max_workers": 4}},
        {"function": atrial, "execution": "async"},
        {"execution": Loop()},
    ],
    ids=["serial", "threads", "async", "a plain loop"],
)
def test_tries_count_under_every_strategy(options, tmp_path):
    log = tmp_path / "log"
    usual: dict[str, Any] = {"function": trial, "conditions": {"only": {"log": str(log)}}}
    result = Experiment(
        **{**usual, **options}, replicates=15, seed=1, retries=Retry(2), rate_limit=15
    ).run()
    assert result.metrics["only"]["value"].tolist() == list(range(15))
    began = [float(line.split()[1]) for line in log.read_text().splitlines()]
    assert len(began) == 18
    # The 18th is not handed out before a second has gone by since the third was.
    assert max(began) - min(began) > 0.9
