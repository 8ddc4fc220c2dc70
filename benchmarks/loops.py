"""The workloads that are loops over replicates, under each contender in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks.child import ROOT, command
from benchmarks.contenders import CONTENDERS
from benchmarks.peer import MOST, Peer, PeerUnavailable
from benchmarks.plan import Plan
from benchmarks.side import NOT_INSTALLED, Side
from benchmarks.timing import Row, Sample, Table, interleave
from benchmarks.workloads import Workload


@contextmanager
def started(plan: Plan, names: set[str], peer: Peer) -> Iterator[dict[str, Side]]:
    """The processes of those contenders that can run here."""
    ready: dict[str, Side] = {}
    with ExitStack() as stack:
        for name in sorted(names):
            if not plan.wants(name):
                continue
            if name in CONTENDERS:
                ready[name] = Side(name, command("contenders", name), ROOT)
                stack.callback(ready[name].stop)
                continue
            try:
                ready[name] = peer.start(stack)
            except PeerUnavailable as error:
                plan.leave_out(str(error))
        yield ready


def measure(plan: Plan, workload: Workload, ready: Mapping[str, Side]) -> Table:
    """One workload under each contender that it is for."""
    whole = min(plan.count(workload.replicates, workload.quick), workload.replicates)
    table: Table = {}
    runs: dict[str, Callable[[], Sample]] = {}
    for name in workload.contenders:
        if name not in ready:
            continue
        count = min(whole, MOST.get(name, whole))
        prepare = "prepare quickly " if plan.quick else "prepare "
        answer = ready[name].ask(prepare + name, workload.name, count)
        if NOT_INSTALLED in answer:
            plan.leave_out(f"{name} is left out: {answer[NOT_INSTALLED]} is not installed.")
            continue
        fewer = f"{count:,} replicates only" if count < whole else ""
        table[name] = Row(count, note="; ".join(filter(None, [answer["note"], fewer])))
        runs[name] = partial(_measured, ready[name], name, workload.name, count)
    return interleave(runs, table, plan.rounds)


def _measured(side: Side, name: str, workload: str, count: int) -> Sample:
    return Sample(side.ask("measure " + name, workload, count)["seconds"])
