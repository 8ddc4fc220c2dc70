"""A driver to be killed: runs an experiment on a store, with a fault in the store if asked for.

Arguments: store, strategy, and what is to happen: ``none``; ``kill N`` or ``fail N`` or
``always-fail N`` at the N-th SQL statement; ``pages N`` and ``bytes N`` limit the file;
``after N`` kills when the N-th block has arrived, before its commit.

Without arguments it takes them from its standard input, a list of JSON on each line, with where
the cells and the two streams are written in front; it forks for each, so that nothing has to be
imported again, and says how that process ended.
"""

import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

from crystallize import Experiment
from crystallize.errors import CrystallizeError

REPLICATES = 30
real_connect = sqlite3.connect


def trial(rng, replicate, shift):
    with Path(os.environ["CELL_LOG"]).open("a") as log:
        log.write(f"{replicate}\n")
    while replicate and Path(os.environ.get("CELL_GATE", os.devnull)).is_file():
        time.sleep(0.01)
    time.sleep(float(os.environ.get("CELL_SECONDS", "0.004")))
    return {"x": rng.normal() + shift, "text": "t" * replicate * 200, "replicate": replicate}


async def atrial(rng, replicate, shift):
    return trial(rng, replicate, shift)


STRATEGIES = {
    "serial": ("serial", {}),
    "thread": ("parallel", {"max_workers": 2}),
    "process": ("parallel", {"executor_type": "process", "max_workers": 2}),
    "async": ("async", {}),
}
CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}


def experiment(strategy, **options):
    name, arguments = STRATEGIES[strategy]
    return Experiment(
        atrial if strategy == "async" else trial,
        CONDITIONS,
        **{
            "replicates": REPLICATES,
            "seed": 5,
            "execution": name,
            "execution_options": arguments,
            **options,
        },
    )


def arm(what, number):
    """Put the fault in the way of the store."""
    count = 0

    class Connection(sqlite3.Connection):
        def _strike(self):
            nonlocal count
            count += 1
            if what == "kill" and count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            if (what == "fail" and count == number) or (what == "always-fail" and count >= number):
                raise sqlite3.OperationalError("disk I/O error")

        def execute(self, *arguments):
            self._strike()
            return super().execute(*arguments)

        def executemany(self, *arguments):
            self._strike()
            return super().executemany(*arguments)

        def commit(self):
            self._strike()
            super().commit()

        def __exit__(self, *error):
            if error[0] is None:
                self._strike()
            return super().__exit__(*error)

    def connect(path, *arguments, **options):
        connection = real_connect(path, *arguments, factory=Connection, **options)
        if what == "pages":
            sqlite3.Connection.execute(connection, f"PRAGMA max_page_count = {number}")
        return connection

    if what == "bytes":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    elif what == "after":
        from crystallize.store import archive

        keep = archive.Archive.commit
        landed = 0

        def killed(self, *given):
            nonlocal landed
            landed += 1
            if landed == number:
                os.kill(os.getpid(), signal.SIGKILL)
            keep(self, *given)

        setattr(archive.Archive, "commit", killed)  # noqa: B010
    elif what != "none":
        setattr(sqlite3, "connect", connect)  # noqa: B010


def main():
    store, strategy, what, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    arm(what, number)
    reported = []
    try:
        for outcome in experiment(strategy, store=store).stream():
            reported.append((outcome.condition, outcome.replicate))
            print(json.dumps(reported[-1]), flush=True)
    except CrystallizeError as error:
        print(type(error).__name__, error, file=sys.stderr)
        sys.exit(3)


def take_orders():
    """Fork for each order; who has forked stays here, and each of its processes comes back."""
    for line in sys.stdin:
        os.environ["CELL_LOG"], out, err, *order = json.loads(line)
        child = os.fork()
        if not child:
            for number, name in ((1, out), (2, err)):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.argv[1:] = order
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


if __name__ == "__main__":
    if not sys.argv[1:]:
        take_orders()
    main()
