"""The HTTP example against what its draws say, without a server."""

import numpy as np
import pytest


def answers(tries):
    """Answered, tries and bytes of each replicate, from NumPy alone."""
    rows = []
    for stream in np.random.SeedSequence(2001).spawn(300):
        rng = np.random.default_rng(stream)
        row = (False, tries, 0)
        for tried in range(1, tries + 1):
            draw = round(rng.random(), 6)  # as it goes over the wire
            if draw >= 0.3:
                row = (True, tried, int(1000 * draw))
                break
        rows.append(row)
    return np.array(rows, dtype=float).T


def test_the_table_is_what_the_draws_say(examples, python):
    printed = python(examples / "async_http" / "main.py")
    cells = [line.split() for line in printed.splitlines()[1:]]
    rows = {(condition, metric): rest for condition, _, metric, *rest in cells}
    for condition, tries in {"one-try": 1, "three-tries": 3}.items():
        metrics = zip(("answered", "tries", "bytes"), answers(tries), strict=True)
        for metric, expected in metrics:
            n, failed, mean, sd, mcse, *_ = map(float, rows[condition, metric])
            assert (n, failed) == (300, 0)
            # As many digits as the Monte Carlo error warrants.
            assert mean == pytest.approx(expected.mean(), abs=mcse / 10), (condition, metric)
            assert sd == pytest.approx(expected.std(ddof=1), rel=5e-3), (condition, metric)


def test_it_prints_the_same_at_every_run(examples, python):
    script = examples / "async_http" / "main.py"
    assert python(script, PYTHONHASHSEED="1") == python(script, PYTHONHASHSEED="2")
