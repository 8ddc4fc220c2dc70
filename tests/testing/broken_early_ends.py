"""Executors each of which says that it has tasks end early, and does it wrongly."""

import time

from broken import Faulty, found_by

from crystallize.plugins.execution import ParallelExecution


class SaidToRun:
    """A run that is told something else by its executor."""

    def __init__(self, run, executor):
        self.id, self.register_control = run.id, run.register_control
        self._run, self._executor = run, executor
        self.shortening = None

    def tick(self):
        if self.shortening is not None:
            self._executor.looks(*self.shortening)
        return self._run.tick()

    def register_shortening(self, shorten, running):
        self.shortening = shorten, running
        self._run.register_shortening(
            lambda task: self._executor.shortens(task, shorten, running),
            lambda: self._executor.says(list(running())),
        )

    def register_hand_over(self, hand_over):
        self._run.register_hand_over(lambda: self._executor.hands_over(hand_over))


class EndsEarly(Faulty, ParallelExecution):
    """Two processes."""

    def __init__(self):
        super().__init__(2, "process")

    def controlled(self, run):
        return SaidToRun(run, self)

    def shortens(self, task, shorten, running):
        shorten(task)

    def looks(self, shorten, running):
        pass

    def says(self, running):
        return running

    def hands_over(self, hand_over):
        return list(hand_over())


@found_by("test_a_task_that_is_shortened_comes_back")
class ShortensNothing(EndsEarly):
    def shortens(self, task, shorten, running):
        pass


@found_by("test_no_other_task_is_shortened")
class ShortensAllThatRun(EndsEarly):
    def shortens(self, task, shorten, running):
        for each, _ in running():
            shorten(each)


@found_by("test_no_other_task_is_shortened")
class ShortensFromThenOn(EndsEarly):
    begun = False

    def shortens(self, task, shorten, running):
        self.begun = True
        shorten(task)

    def looks(self, shorten, running):
        for each, _ in list(running()) if self.begun else ():
            shorten(each)


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
