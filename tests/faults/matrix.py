"""Print the fault matrix: ``python tests/faults/matrix.py``.

For each fault and strategy: how many of the other 39 cells arrive, and how many
cells were executed more than once.  The fault strikes one of 40 cells, once.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import cloudpickle
import faulty

from crystallize import CrystallizeError, Experiment

PROCESS = {"executor_type": "process", "max_workers": 2}
STRATEGIES = {
    "serial": ("serial", {}),
    "thread": ("parallel", {"max_workers": 2}),
    "process": ("parallel", PROCESS),
    "async": ("async", {}),
}
IN_PROCESS = ("raise", "unpicklable", "unpickling", "result", "sys.exit", "interrupt")
FAULTS = (
    *IN_PROCESS, "memory", "kill", "kill-always", "exit", "segfault", "segfault-always",
    "sleep-always", "gil-always",
)  # fmt: skip


def struck(strategy, fault):
    """Survivors among the other cells, and executions beyond the first."""
    name, options = STRATEGIES[strategy]
    if strategy == "async" and fault == "sleep-always":
        fault = "sleep"
    if strategy != "process" and fault not in (*IN_PROCESS, "sleep"):
        return "-"
    with tempfile.TemporaryDirectory() as folder:
        paths = {"flag": f"{folder}/flag", "log": f"{folder}/log"}
        conditions = {
            "a": {"shift": 0, "fault": "", **paths},
            "b": {"shift": 1, "fault": fault, **paths},
        }
        result = Experiment(
            faulty.atrial if strategy == "async" else faulty.trial,
            conditions,
            replicates=faulty.REPLICATES,
            seed=11,
            execution=name,
            execution_options=options,
            timeout=0.5 if fault.startswith(("sleep", "gil")) else None,
            store=f"{folder}/store.db",
        ).run()
        struck_cell = ("b", faulty.STRUCK)
        others = sum(
            int(done.sum()) - int(name == struck_cell[0] and done[struck_cell[1]])
            for name, done in result.done.items()
        )
        executed = Counter(Path(paths["log"]).read_text().split()).total()
        recovered = "" if result.errors else ", struck cell too"
        return f"{others}/39{recovered} ({executed - 2 * faulty.REPLICATES})"


def main():
    cloudpickle.register_pickle_by_value(faulty)
    print("| fault |", " | ".join(STRATEGIES), "|")
    print("| --- |", " | ".join("---" for _ in STRATEGIES), "|")
    for fault in FAULTS:
        try:
            cells = [struck(strategy, fault) for strategy in STRATEGIES]
        except CrystallizeError as error:
            sys.exit(f"{fault}: {error}")
        print("|", fault, "|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
