"""Executors each of which says that it has tasks end early, and does it wrongly."""

import time

from broken import Faulty, found_by

from crystallize.plugins.execution import ParallelExecution


class SaidToRun:
    """A run that is told something else by its executor."""

    def __init__(self, run, executor):
        self.id, self.tick, self.register_control = run.id, run.tick, run.register_control
        self._run, self._executor = run, executor

    def register_shortening(self, shorten, running):
        self._run.register_shortening(
            self._executor.shortens(shorten), lambda: self._executor.says(list(running()))
        )

    def register_hand_over(self, hand_over):
        self._run.register_hand_over(lambda: self._executor.hands_over(hand_over))


class EndsEarly(Faulty, ParallelExecution):
    """Two processes."""

    def __init__(self):
        super().__init__(2, "process")

    def controlled(self, run):
        return SaidToRun(run, self)

    def shortens(self, shorten):
        return shorten

    def says(self, running):
        return running

    def hands_over(self, hand_over):
        return list(hand_over())


@found_by("test_a_task_that_is_shortened_comes_back")
class ShortensNothing(EndsEarly):
    def shortens(self, shorten):
        return lambda task: None


@found_by("test_it_says_which_tasks_are_running")
class SaysThatNothingRuns(EndsEarly):
    def says(self, running):
        return []


@found_by("test_it_says_which_tasks_are_running")
class SaysForHowManyMilliseconds(EndsEarly):
    def says(self, running):
        return [(task, seconds * 1000) for task, seconds in running]


@found_by("test_what_is_handed_over_comes_once_and_in_time")
class HandsNothingOver(EndsEarly):
    def hands_over(self, hand_over):
        return []


@found_by("test_what_is_handed_over_comes_once_and_in_time", alone=False)
class HandsOverTwice(EndsEarly):
    def hands_over(self, hand_over):
        return [*super().hands_over(hand_over)] * 2


@found_by("test_what_is_handed_over_comes_once_and_in_time", alone=False)
class HandsOverOthersValues(EndsEarly):
    def hands_over(self, hand_over):
        first, *others = super().hands_over(hand_over)
        return [first, *(other._replace(value=first.value) for other in others)]


@found_by("test_what_is_handed_over_comes_once_and_in_time")
class HandsOverLate(EndsEarly):
    def hands_over(self, hand_over):
        time.sleep(1.5)
        return super().hands_over(hand_over)
