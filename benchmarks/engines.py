"""What blocks save on other people's engines: ``python -m benchmarks.engines``.

*tiny* (20,000 replicates of about 10 us) under the strategies dask, ray and futures (loky),
beside one remote task a replicate on the same engine with the same two workers, in the same run.
With ``--write`` the table in ``docs/benchmarks.md`` is replaced.
"""

from __future__ import annotations

import argparse
import ast
import logging
import tokenize
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import aligned, duration, markdown, write_between
from benchmarks.timing import Row, Sample, Table, interleave, timed
from benchmarks.workloads import WORKERS, tiny, tiny_of
from crystallize import Experiment

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = (
    "<!-- engines: written by python -m benchmarks.engines --write -->",
    "<!-- end of engines -->",
)
REPLICATES = 20_000
TASKS = 1_000
"""Of one replicate each; what they take is compared by replicate."""
ROUNDS = 5
TARGET = 5.0
SOURCES = {
    "dask": "plugins/crystallize-dask/src/crystallize_dask",
    "ray": "plugins/crystallize-ray/src/crystallize_ray",
    "futures": "src/crystallize/plugins/execution/factory.py",
}

Engine = tuple[str, Mapping[str, Any], Callable[[int], Any]]
"""A strategy, its options, and what runs so many remote tasks of one replicate each."""


@contextmanager
def dask() -> Iterator[Engine]:
    """A scheduler with two worker processes, there before the clock starts."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def one_by_one(count: int) -> Any:
            return client.gather([client.submit(tiny_of, i, pure=False) for i in range(count)])

        yield "dask", {"address": cluster.scheduler_address}, one_by_one


@contextmanager
def ray() -> Iterator[Engine]:
    """A head with two CPUs, there before the clock starts."""
    import ray as rays
    from crystallize_ray import RayExecution

    options = {"workers": WORKERS}
    with RayExecution(**options).connected():
        remote = rays.remote(tiny_of)

        def one_by_one(count: int) -> Any:
            return rays.get([remote.remote(i) for i in range(count)])

        yield "ray", options, one_by_one


@contextmanager
def futures() -> Iterator[Engine]:
    """An executor of loky's with two workers, which neither side has to open."""
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(WORKERS) as executor:

        def one_by_one(count: int) -> Any:
            return [f.result() for f in [executor.submit(tiny_of, i) for i in range(count)]]

        yield "futures", {"factory": executor, "workers": WORKERS}, one_by_one


def contenders(engine: Engine) -> tuple[dict[str, Callable[[], Sample]], Table]:
    """The strategy and its engine's own tasks, to be run in turn."""
    strategy, options, one_by_one = engine

    def blocks() -> Any:
        return Experiment(
            tiny,
            replicates=REPLICATES,
            seed=1,
            execution=strategy,
            execution_options=dict(options),
        ).run()

    assert not blocks().errors  # and so the workers have what they import
    one_by_one(WORKERS)
    runs = {"blocks": lambda: timed(blocks), "tasks": lambda: timed(lambda: one_by_one(TASKS))}
    return runs, {"blocks": Row(REPLICATES), "tasks": Row(TASKS)}


def code_lines(path: Path) -> int:
    """Lines that hold code: neither blank, nor comments, nor docstrings."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return sum(len(_code_lines(file)) for file in files)


def _code_lines(file: Path) -> set[int]:
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    found: set[int] = set()
    with file.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type not in silent | {tokenize.ENCODING, tokenize.ENDMARKER}:
                found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        # A text that is a statement: a docstring, or one of an attribute.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def main() -> None:
    """Measure each engine in turn, print medians."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engines", description="Time strategies beside their engines."
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--write", action="store_true", help="replace the table in docs/benchmarks.md"
    )
    asked = parser.parse_args()
    logging.getLogger("distributed").setLevel(logging.ERROR)
    lines = [["strategy", "in blocks, each", "one task each", "times as fast", "", "code lines"]]
    for opened in (dask, ray, futures):
        with ExitStack() as stack:
            engine = stack.enter_context(opened())
            runs, table = contenders(engine)
            interleave(runs, table, asked.rounds)
        ratio = table["tasks"].each / table["blocks"].each
        lines.append(
            [
                engine[0],
                duration(table["blocks"].each),
                duration(table["tasks"].each),
                f"{ratio:.3g}",
                "reached" if ratio >= TARGET else "NOT reached",
                str(code_lines(ROOT / SOURCES[engine[0]])),
            ]
        )
    print(aligned(lines))
    if asked.write:
        write_between(PAGE, BEGIN, END, markdown(lines))


if __name__ == "__main__":
    main()
