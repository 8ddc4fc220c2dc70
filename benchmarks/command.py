"""The command line: what to run, and where its results go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from benchmarks import (
    conditions,
    driver,
    growth,
    loops,
    machine,
    seeds,
    shared,
    sleep,
    start,
    store,
    summary,
)
from benchmarks.figures import judged
from benchmarks.peer import Peer
from benchmarks.plan import Plan
from benchmarks.plot import write_svg
from benchmarks.report import Report
from benchmarks.timing import Table
from benchmarks.workloads import WORKERS, WORKLOADS

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "docs" / "benchmarks"
PARTIAL = ROOT / "build" / "benchmarks"
ROUNDS, QUICK_ROUNDS = 7, 3

ALONE = {
    "shared": "replicates that read one array of 200 MB, given as a parameter",
    "sleep": "coroutines of 10 ms, 1,000 at once",
    "growth": "trivial replicates, ever more of them",
    "conditions": "ever more conditions of one trivial replicate each",
    "store": "trivial replicates into a store and out of it, ever more of them",
    "summary": "trivial replicates, with their values and with summaries alone",
    "seeds": "the seed of every replicate",
    "driver": "executors that do no work",
    "start": "whole processes",
}
CONTENDERS = tuple(
    dict.fromkeys(
        name
        for names in (
            *(workload.contenders for workload in WORKLOADS.values()),
            shared.CONTENDERS,
            (*sleep.CONTENDERS, sleep.PEER),
            growth.CONTENDERS,
            conditions.CONTENDERS,
            store.CONTENDERS,
            summary.CONTENDERS,
            seeds.CONTENDERS,
            driver.CONTENDERS,
            (*start.commands(), *start.PEER),
        )
        for name in names
    )
)
WHAT = {name: workload.what for name, workload in WORKLOADS.items()} | ALONE


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time Crystallize beside other ways to run replicates.",
    )
    parser.add_argument("--quick", action="store_true", help="less of it, in under two minutes")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=WHAT, help=f"of {', '.join(WHAT)}"
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        metavar="NAME",
        choices=CONTENDERS,
        help=f"these alone, of {', '.join(map(repr, CONTENDERS))}",
    )
    parser.add_argument("--rounds", type=_positive, metavar="N", help="times that each is run")
    parser.add_argument(
        "--replicates", type=_positive, metavar="N", help="so many of every workload at the most"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where results go; docs/benchmarks for a whole run, build/benchmarks for less",
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def measure(plan: Plan, names: Sequence[str], began: float) -> dict[str, Table]:
    """Every workload in turn."""
    tables: dict[str, Table] = {}
    in_loops = [WORKLOADS[name] for name in names if name in WORKLOADS]
    peer = Peer(make=not plan.quick)
    wanted = {name for workload in in_loops for name in workload.contenders}
    with loops.started(plan, wanted, peer) as ready:
        for workload in in_loops:
            _say(plan, workload.name, began)
            tables[workload.name] = loops.measure(plan, workload, ready)
    alone: dict[str, Callable[[], Table]] = {
        "shared": lambda: shared.measure(plan),
        "sleep": lambda: sleep.measure(plan, peer),
        "growth": lambda: growth.measure(plan),
        "conditions": lambda: conditions.measure(plan),
        "store": lambda: store.measure(plan),
        "summary": lambda: summary.measure(plan),
        "seeds": lambda: seeds.measure(plan),
        "driver": lambda: driver.measure(plan),
        "start": lambda: start.measure(plan, peer),
    }
    for name, run in alone.items():
        if name in names:
            _say(plan, name, began)
            tables[name] = run()
    return {name: table for name, table in tables.items() if table}


def _say(plan: Plan, name: str, began: float) -> None:
    plan.say(f"{perf_counter() - began:6.0f} s  {name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    asked = parse(arguments)
    rounds = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)
    plan = Plan(rounds, asked.quick, asked.replicates, asked.contenders)
    names = asked.only or list(WHAT)
    fewer = asked.quick or asked.replicates
    partial = fewer or asked.only or asked.contenders or asked.rounds
    folder: Path = asked.output or (PARTIAL if partial else PUBLISHED)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"Nothing can be written to {folder}: {error.strerror}.", file=sys.stderr)
        return 2
    began = perf_counter()
    tables = measure(plan, names, began)
    if not tables:
        print("None of these contenders runs any of these workloads.", file=sys.stderr)
        return 2
    described = machine.described()
    settings = {
        "rounds": rounds,
        "workers": WORKERS,
        "run": "quick" if asked.quick else "part" if partial else "whole",
        "minutes": f"{(perf_counter() - began) / 60:.1f}",
    }
    what = {name: WHAT[name] for name in tables}
    if find_spec("matplotlib") is None:
        plan.leave_out("The plot is left out: matplotlib is not installed.")
    else:
        shown = ", ".join(described[key] for key in ("processor", "python", "date"))
        write_svg(tables, f"{shown}, {described['cores']} cores", folder)
    if fewer:
        plan.leave_out("With fewer replicates the figures are indications, and judge nothing.")
    figures = judged(tables, whole=not fewer)
    report = Report(described, settings, tables, what, figures, plan.left_out)
    print(report.text())
    report.write_json(folder)
    if folder.resolve() == PUBLISHED:
        report.write_page(PUBLISHED.with_suffix(".md"))
    print(f"\nwritten to {folder}")
    return 0
