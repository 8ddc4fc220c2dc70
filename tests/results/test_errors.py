"""The exceptions that carry a result."""

import pickle
import signal

import pytest

from crystallize import Experiment, Result
from crystallize.cells.outcome import CellError
from crystallize.errors import ConfigError, InvalidValueError, UnknownNameError
from crystallize.results.errors import CellFailedError, Interrupted, TooManyFailuresError

ERROR = CellError("c", 3, 77, "ValueError", "no", "Traceback: ...", 1)


def a_result():
    return Result({}, {}, [ERROR], 1, "c", {})


def test_a_failed_cell_is_told_with_all_that_is_needed_to_run_it_again():
    error = CellFailedError(ERROR, a_result())
    assert "Replicate 3 of condition 'c' (seed 77) failed with ValueError: no" in str(error)
    assert "Traceback: ..." in str(error)
    assert error.error is ERROR


def test_too_many_failures_are_counted():
    assert "more than max_failures=0.5 allows" in str(TooManyFailuresError(0.5, a_result()))


def test_an_interruption_is_not_caught_as_an_ordinary_exception():
    error = Interrupted(a_result(), signal.SIGTERM)
    assert not isinstance(error, Exception)
    assert error.signum == signal.SIGTERM


@pytest.mark.parametrize(
    "make", [lambda r: CellFailedError(ERROR, r), lambda r: TooManyFailuresError(1, r)]
)
def test_the_result_travels_with_the_error(make):
    error = pickle.loads(pickle.dumps(make(a_result())))
    assert error.result.errors == [ERROR]
    assert "as .result" in str(error)


def test_our_errors_travel_between_processes():
    result = Experiment(lambda: 1 / 0).run()
    errors = [
        InvalidValueError("x", 1, "y"),
        UnknownNameError("executor", "a", ["b"]),
        ConfigError("file", ["problem"]),
        CellFailedError(result.errors[0], result),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
    assert again.error == result.errors[0]


def test_interrupted_is_a_keyboard_interrupt():
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)
