"""For how long exceptions of all kinds of libraries ask not to be tried again."""

from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from types import SimpleNamespace

import numpy as np
import pytest

from crystallize.worker.retry_after import asked_wait


def error(**attributes):
    made = Exception()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def message(**headers):
    made = Message()
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    return made


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (error(retry_after=3), 3.0),
        (error(retry_after=np.float64(0.5)), 0.5),
        (error(retry_after=" 2.5 "), 2.5),
        (error(retry_after=timedelta(minutes=1)), 60.0),
        (error(retry_after=None, headers={"retry-after": "4"}), 4.0),
        (error(headers=message(Retry_After="7")), 7.0),
        (error(response=SimpleNamespace(headers={"Retry-After": "9"})), 9.0),
        (error(headers=None, response=None), 0.0),
        (error(headers={"Retry-After": "soon"}), 0.0),
        (error(retry_after=-1), 0.0),
        (error(retry_after=float("nan")), 0.0),
        (error(retry_after="inf"), 0.0),
        (error(retry_after=True), 0.0),
        (error(headers=["Retry-After"]), 0.0),
        (ValueError("no"), 0.0),
    ],
)
def test_seconds_are_read_wherever_they_stand(given, seconds):
    assert asked_wait(given) == seconds


def test_a_date_is_a_time_from_now():
    soon = datetime.now(UTC) + timedelta(seconds=100)
    dates = [format_datetime(soon, usegmt=True), soon.strftime("%a, %d %b %Y %H:%M:%S -0000")]
    for date in dates:
        assert 95 < asked_wait(error(headers={"Retry-After": date})) <= 100
    assert asked_wait(error(headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0.0


def test_an_exception_whose_attributes_raise_says_nothing():
    class Broken(Exception):
        @property
        def retry_after(self):
            raise RuntimeError("broken")

    assert asked_wait(Broken()) == 0.0
