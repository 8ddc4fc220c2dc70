"""A study over HTTP, of a server that is busy, errs and hangs: ``python -m benchmarks.over_http``.

Each line that it prints says of a run, the second interrupted and resumed, how many requests the
server counted, how long it took, and whether its bytes are those of a run without any faults.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.busy_server import COUNTS
from crystallize import Experiment, Interrupted, Result, Retry

ROOT = Path(__file__).parents[1]
CONDITIONS = {name: {"model": name} for name in ("small", "middle", "large")}
PORT = "BUSY_SERVER_PORT"
MOST_A_CELL, MOST_TIME = 1.1, 1.2
"""What may be: requests a cell beyond the injected faults, and times what the limit allows."""


class Refused(Exception):
    """An answer other than 200; has its headers."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(f"status {status}")
        self.headers = headers


async def ask(path: str) -> str:
    """The body of an answer.

    Raises
    ------
    Refused
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ[PORT]))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    finally:
        writer.close()
    status, *lines = head.splitlines()
    if status.split()[1] != "200":
        headers = dict(line.split(": ", 1) for line in lines)
        raise Refused(int(status.split()[1]), headers)
    return body


async def evaluated(model: str, replicate: int, rng: Any) -> dict[str, float]:
    """One answer of a model, and something drawn."""
    return {"answer": float(await ask(f"/{model}/{replicate}")), "drawn": rng.random()}


def evaluated_plainly(model: str, replicate: int, rng: Any) -> dict[str, float]:
    """The same as a plain function."""
    return asyncio.run(evaluated(model, replicate, rng))


WAYS: dict[str, dict[str, Any]] = {
    "async": {"function": evaluated, "execution": "async"},
    "processes": {
        "function": evaluated_plainly,
        "execution": "parallel",
        "execution_options": {"executor_type": "process", "max_workers": 4},
    },
}


def study(way: str, replicates: int, a_second: float | None, **options: Any) -> Experiment:
    """The experiment; without a limit there are no faults that it has to do with."""
    if a_second is not None:
        retry = Retry(8, wait=0.2, jitter=0.5, on=(Refused, OSError))
        options |= {"retries": retry, "rate_limit": a_second, "timeout": 2.0}
    return Experiment(conditions=CONDITIONS, replicates=replicates, seed=13, **WAYS[way], **options)


@contextmanager
def busy(a_second: int = 0, errors: float = 0.0, hangs: float = 0.0) -> Iterator[int]:
    """A server; its port, which cells find too."""
    command = [sys.executable, "-m", "benchmarks.busy_server", *map(str, (a_second, errors, hangs))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        port = int(server.stdout.readline())
        os.environ[PORT] = str(port)
        try:
            yield port
        finally:
            server.stdin.close()
            server.wait(10)


def counts(port: int) -> dict[str, int]:
    """What a server has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{COUNTS}", timeout=10) as answer:
        counted: dict[str, int] = json.load(answer)
    return counted


def requests_a_cell(counted: dict[str, int], cells: int) -> float:
    """Requests beyond the faults that the server injected."""
    injected = counted.get("500", 0) + counted.get("hangs", 0)
    return (counted["requests"] - injected) / cells


def columns(result: Result) -> dict[str, dict[str, bytes]]:
    """The bytes of every metric."""
    return {
        name: {metric: values.tobytes() for metric, values in metrics.items()}
        for name, metrics in result.metrics.items()
    }


def interrupted(experiment: Experiment, seconds: float) -> int:
    """Run it, with Ctrl-C after a while; how many cells had finished."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        result = experiment.run()
    except Interrupted as error:
        result = error.result
    timer.cancel()
    return sum(int(done.sum()) for done in result.done.values())


def measured(way: str, replicates: int, limit: int) -> Iterator[dict[str, Any]]:
    """What came of the study in one go, and of one that was interrupted and resumed."""
    cells = replicates * len(CONDITIONS)
    with busy():
        expected = columns(study(way, replicates, None).run())
    for resumed in (False, True):
        with busy(limit, errors=0.05, hangs=0.01) as port, TemporaryDirectory() as folder:
            store = {"store": Path(folder) / "cells.db"} if resumed else {}
            began, before = perf_counter(), 0
            if resumed:
                before = interrupted(study(way, replicates, limit, **store), cells / limit / 2)
            result = study(way, replicates, limit, **store).run()
            seconds, counted = perf_counter() - began, counts(port)
        yield {
            "cells": cells,
            "interrupted_after": before if resumed else None,
            "failed": len(result.errors),
            "same_bytes": columns(result) == expected,
            "counts": counted,
            "requests_a_cell": requests_a_cell(counted, cells),
            "seconds": seconds,
            "times_allowed": seconds * limit / counted["requests"],
        }


def main() -> int:
    """Measure; the exit code is 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--limit", type=int, default=20, help="requests a second")
    parser.add_argument("--way", choices=WAYS, default="async")
    given = parser.parse_args()
    holds = True
    for row in measured(given.way, given.replicates, given.limit):
        print(json.dumps(row), flush=True)
        holds &= row["same_bytes"] and not row["failed"]
        holds &= row["requests_a_cell"] <= MOST_A_CELL and row["times_allowed"] <= MOST_TIME
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
