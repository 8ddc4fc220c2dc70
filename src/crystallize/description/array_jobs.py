"""Which task of an array job this process is, as the schedulers of clusters say it."""

from __future__ import annotations

import os
from typing import NamedTuple

from crystallize.errors import CrystallizeError, InvalidValueError

VARIABLE = "CRYSTALLIZE_SHARD"
"""What says it in so many words, as in ``3/10``; asked first."""


class Scheduler(NamedTuple):
    """The variables of one scheduler; ``""`` for one that it has not.

    Attributes
    ----------
    task : str
        The task's number.
    first, last, step : str
        The numbers that the array was submitted with.
    tasks : str
        How many tasks there are.
    no_task : str
        What the task's number is outside of an array.
    """

    name: str
    task: str
    first: str = ""
    last: str = ""
    step: str = ""
    tasks: str = ""
    no_task: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Those that it has."""
        return tuple(filter(None, (self.task, self.first, self.last, self.step, self.tasks)))


SCHEDULERS = (
    Scheduler(
        "Slurm",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_MAX",
        "SLURM_ARRAY_TASK_STEP",
        "SLURM_ARRAY_TASK_COUNT",
    ),
    Scheduler("PBS", "PBS_ARRAY_INDEX"),
    Scheduler("Torque", "PBS_ARRAYID"),
    Scheduler(
        "SGE",
        "SGE_TASK_ID",
        "SGE_TASK_FIRST",
        "SGE_TASK_LAST",
        "SGE_TASK_STEPSIZE",
        no_task="undefined",
    ),
    # Its arrays begin at 1 or later, and no variable says where.
    Scheduler(
        "LSF", "LSB_JOBINDEX", last="LSB_JOBINDEX_END", step="LSB_JOBINDEX_STEP", no_task="0"
    ),
)


def of_environment(where: str) -> tuple[str, str]:
    """The shard of this process as text, ``3/10``, and the variables that it was read from.

    Raises
    ------
    CrystallizeError
        If it is no task of an array, or the scheduler does not say of how many.
    """
    if given := os.environ.get(VARIABLE):
        return given, f"{VARIABLE}={given}"
    found = [one for one in SCHEDULERS if _value(one.task) not in ("", one.no_task)]
    if not found:
        known = ", ".join([VARIABLE, *(one.task for one in SCHEDULERS)])
        raise CrystallizeError(
            f"{where}: 'auto' is for tasks of an array job, and this process is none: none of "
            f"{known} is set. Say which shard it is: '3/10'."
        )
    if len(found) > 1:
        both = " and ".join(f"{one.task}={_value(one.task)}" for one in found)
        raise CrystallizeError(
            f"{where}: {both} are set, each by another scheduler. Say which shard it is: "
            f'"${found[0].task}/N", with the number of shards for N.'
        )
    return _of(where, found[0])


def _of(where: str, scheduler: Scheduler) -> tuple[str, str]:
    task = _number(scheduler.task)
    instead = (
        f'Say of how many: "${scheduler.task}/N", with the number of shards for N and tasks '
        "numbered from 1 on."
    )
    if not scheduler.last:
        raise CrystallizeError(
            f"{where}: {scheduler.name} says which task this is, {scheduler.task}={task}, and has "
            f"no variable that says of how many. {instead}"
        )
    needed = filter(None, (scheduler.first, scheduler.last))
    if missing := [name for name in needed if not _value(name)]:
        names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
        raise CrystallizeError(
            f"{where}: {scheduler.task}={task} is set, and {names} {verb} not. {instead}"
        )
    first, step = _number(scheduler.first, 1), _number(scheduler.step, 1) or 1
    last = _number(scheduler.last)
    count = (last - first) // step + 1
    source = ", ".join(f"{name}={_value(name)}" for name in scheduler.variables if _value(name))
    is_whole = first in (0, 1) and count > 1 and _number(scheduler.tasks, count) == count
    if not (is_whole and first <= task <= last and (task - first) % step == 0):
        raise CrystallizeError(
            f"{where}: these tasks are no array from 0 or 1 on in steps, but perhaps some of one "
            f"that are run again, so of how many is not known ({source}). {instead}"
        )
    return f"{(task - first) // step + 1}/{count}", source


def _value(variable: str) -> str:
    return os.environ.get(variable, "").strip()


def _number(variable: str, otherwise: int = 0) -> int:
    """The number that a variable has, or another one where it is not set."""
    value = _value(variable)
    if not value:
        return otherwise
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise InvalidValueError(variable, value, "a whole number, 0 or more")
    return int(value)
