"""What a replicate costs beyond its own work: ``python benchmarks/overhead.py``.

Each figure is timed in turn, several rounds in one process, and the medians are
printed; quote ratios, since machines differ and drift.  Needs joblib.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from joblib import Parallel, delayed

from crystallize import Experiment

TRIVIAL, MILLISECOND = 100_000, 1_000
ROUNDS = 7
PROCESSES = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": 2},
}
THREADS = {"execution": "parallel", "execution_options": {"max_workers": 2}}


def trivial():
    """Nothing but a number."""
    return 0.5


def millisecond():
    """A millisecond of work."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return 0.5


def bare():
    """The loop that Crystallize replaces."""
    for _ in range(TRIVIAL):
        trivial()


def experiment(function, replicates, **options):
    """A whole run: seeding, error capture, columns, aggregation and provenance."""
    return lambda: Experiment(function, replicates=replicates, **options).run()


def stored(function, replicates, **options):
    """The same on a new store."""

    def run():
        with tempfile.TemporaryDirectory() as folder:
            Experiment(function, replicates=replicates, store=f"{folder}/s.db", **options).run()

    return run


def command(*arguments):
    """A whole process."""
    return lambda: subprocess.run(arguments, check=True, capture_output=True)


def medians(contenders):
    """Seconds of each, interleaved."""
    seconds = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main():
    crystallize = str(Path(sys.executable).with_name("crystallize"))
    contenders = {
        "bare": bare,
        "serial": experiment(trivial, TRIVIAL),
        "serial, store": stored(trivial, TRIVIAL),
        "thread": experiment(trivial, TRIVIAL, **THREADS),
        "process": experiment(trivial, TRIVIAL, **PROCESSES),
        "joblib": lambda: Parallel(n_jobs=2)(delayed(trivial)() for _ in range(TRIVIAL)),
        "1 ms": experiment(millisecond, MILLISECOND),
        "1 ms, store": stored(millisecond, MILLISECOND),
        "1 ms, process": experiment(millisecond, MILLISECOND, **PROCESSES),
        "1 ms, process, store": stored(millisecond, MILLISECOND, **PROCESSES),
        "python": command(sys.executable, "-c", "pass"),
        "import": command(sys.executable, "-c", "import crystallize"),
        "plugins": command(crystallize, "plugins"),
        "help": command(crystallize, "--help"),
    }
    for name in ("process", "joblib"):  # both keep their workers: neither pays for starting them
        contenders[name]()
    seconds = medians(contenders)

    def each(name, less=0.0):
        return f"{(seconds[name] - less) / TRIVIAL * 1e6:.2f} us"

    print(f"{TRIVIAL} trivial replicates, each")
    print("  serial, over the bare loop   ", each("serial", seconds["bare"]))
    print("  thread, 2 workers            ", each("thread"))
    print("  process, 2 workers           ", each("process"))
    print("  joblib, n_jobs=2             ", each("joblib"))
    print(f"  joblib / process              {seconds['joblib'] / seconds['process']:.1f}")
    print("  a store, beyond none         ", each("serial, store", seconds["serial"]))
    print(f"{MILLISECOND} replicates of 1 ms, with a store / without")
    print(f"  serial                        {seconds['1 ms, store'] / seconds['1 ms']:.3f}")
    with_store, without = seconds["1 ms, process, store"], seconds["1 ms, process"]
    print(f"  process                       {with_store / without:.3f}")
    print("start, whole processes")
    beyond = (seconds["import"] - seconds["python"]) * 1000
    print(f"  import crystallize            {beyond:.0f} ms beyond bare Python")
    print(f"  crystallize plugins           {seconds['plugins'] * 1000:.0f} ms")
    print(f"  crystallize --help            {seconds['help'] * 1000:.0f} ms")


if __name__ == "__main__":
    main()
