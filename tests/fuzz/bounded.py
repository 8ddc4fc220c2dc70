"""How many examples there are, and what each may take: 30 seconds, and 500 MB at the most.

``CRYSTALLIZE_FUZZ_TIMES=60`` has sixty times the examples that CI has.
"""

import json
import os
import signal
import sys
from contextlib import contextmanager

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("CRYSTALLIZE_FUZZ_TIMES", "1"))
MOST_SECONDS, MOST_BYTES = 30, 500_000_000


def examples(number):
    """So many examples in CI, and new ones each time where there are to be more."""
    return settings(
        max_examples=number * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def bounded():
    """Fail where what is done here takes too long, or too much memory."""
    if sys.platform == "win32":
        yield
        return
    import resource

    def fail(*_):
        raise AssertionError("took too long")

    before = signal.signal(signal.SIGALRM, fail)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * unit
    assert grown < MOST_BYTES, f"took {grown:,} bytes"


def mutated(data, content, pieces):
    """Some bytes with up to six changes: one replaced, cut out or put in, or a part repeated."""
    from hypothesis import strategies as st

    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        kind = data.draw(st.sampled_from(["byte", "piece", "cut", "end", "again"]))
        if kind == "byte":
            content[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
        elif kind == "piece":
            content[place:place] = data.draw(st.sampled_from(pieces))
        elif kind == "cut":
            del content[place : place + data.draw(st.integers(1, 20))]
        elif kind == "end":
            del content[place:]
        else:
            content[place:place] = content[place : place + data.draw(st.integers(1, 200))]
    return bytes(content)


def same(one, other):
    """Whether two values of JSON's or TOML's kinds are one, with NaN equal to itself."""
    return type(one) is type(other) and text(one) == text(other)


def text(value):
    return json.dumps(value, default=lambda other: [type(other).__name__, str(other)])
