"""One cell run again, with nothing caught."""

import asyncio

import pytest

from crystallize import CrystallizeError, Experiment

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}


def test_replay_runs_one_cell_with_nothing_caught():
    def trial(rng, shift):
        if shift:
            raise ZeroDivisionError
        return rng.random()

    experiment = Experiment(trial, CONDITIONS, replicates=5, seed=3)
    assert experiment.replay(4) == experiment.run().metrics["a"]["value"][4]
    with pytest.raises(ZeroDivisionError):
        experiment.replay(4, "b")


def test_replay_of_a_coroutine_function_inside_a_loop():
    async def trial(replicate):
        await asyncio.sleep(0)
        return replicate

    async def main():
        return Experiment(trial, execution="async").replay(3)

    assert asyncio.run(main()) == 3


def test_replay_of_what_is_not_there():
    experiment = Experiment(lambda: 1.0)
    with pytest.raises(CrystallizeError, match="condition: 'x' is not among the conditions"):
        experiment.replay(0, "x")
    with pytest.raises(CrystallizeError, match="replicate: expected"):
        experiment.replay(-1)
