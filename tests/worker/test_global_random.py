"""Draws from the global generators are noticed, and their states can be put back."""

import gc
import random
import sys
import threading
import weakref
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize import Experiment
from crystallize.errors import GlobalRandomWarning
from crystallize.worker.global_random import (
    NUMPY,
    STDLIB,
    GlobalRandomWatch,
    GlobalStateKept,
    seed_global,
)
from crystallize.worker.twisters import _words_of_stdlib, numpy_state, stdlib_state

OF_STDLIB = {
    "random": random.random,
    "gauss": lambda: random.gauss(0, 1),
    "all words": lambda: random.getrandbits(32 * 624),
    "seed": lambda: random.seed(3),
    "put back": lambda: random.setstate(random.getstate()),
}
OF_NUMPY = {
    "rand": np.random.rand,
    "randn": np.random.randn,
    "two": lambda: np.random.randn(2),
    "binomial": lambda: np.random.binomial(100, 0.3),
    "all words": lambda: np.random.bytes(4 * 624),
    "seed": lambda: np.random.seed(3),
    "put back": lambda: np.random.set_state(np.random.get_state()),
}
PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


@pytest.fixture(params=[np.random.MT19937, np.random.PCG64, np.random.SFC64, np.random.Philox])
def global_generator(request):
    """The generator behind ``numpy.random``, which a program may replace."""
    get, replace = np.random.get_bit_generator, np.random.set_bit_generator  # type: ignore[attr-defined]
    usual = get()
    replace(request.param(2001))
    yield
    replace(usual)


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (random.random, STDLIB),
        (lambda: random.gauss(0, 1), STDLIB),
        (np.random.rand, NUMPY),
        (np.random.randn, NUMPY),
    ],
    ids=["random", "gauss", "rand", "randn"],
)
def test_a_draw_from_a_global_generator_is_noticed(draw, name):
    for _ in range(3):  # normal numbers are made in pairs, and the second of a pair is kept
        watch = GlobalRandomWatch()
        before = watch.begin()
        draw()
        assert watch.end(before) == (name,)


def told():
    """What the generators themselves say."""
    state: Any = np.random.get_state(legacy=False)
    of_numpy = state["state"]["key"].tolist(), state["state"]["pos"]
    return {
        STDLIB: random.getstate(),
        NUMPY: (*of_numpy, state["has_gauss"], state["gauss"]),
    }


@pytest.mark.parametrize("draws", [OF_STDLIB, OF_NUMPY], ids=[STDLIB, NUMPY])
@given(data=st.data())
def test_what_is_noticed_of_blocks_of_draws_is_what_the_generators_say(draws, data):
    blocks = data.draw(st.lists(st.lists(st.sampled_from(sorted(draws)), max_size=2), max_size=9))
    watch = GlobalRandomWatch()
    for block in blocks:
        said, before = told(), watch.begin()
        for draw in block:
            draws[draw]()
        now = told()
        assert watch.end(before) == tuple(name for name in now if now[name] != said[name])


def test_seeding_a_global_generator_is_noticed_and_what_others_draw_is_not_ours():
    watch = GlobalRandomWatch()
    before = watch.begin()
    random.seed(7)
    np.random.seed(7)
    assert watch.end(before) == (STDLIB, NUMPY)
    before = watch.begin()
    assert watch.end(before) == ()
    random.random()
    before = watch.begin()
    random.random()
    assert watch.end(before) == ()


def test_a_normal_number_that_waits_is_told_from_none_by_the_same_words():
    np.random.seed(0)
    np.random.randn(2)
    watch = GlobalRandomWatch()
    before = watch.begin()
    np.random.seed(0)
    np.random.randn()
    waits = watch.begin()
    np.random.randn()
    assert watch.end(before) == ()  # it is what it was
    assert watch.end(waits) == (NUMPY,)


class Counted(random.Random):
    """One whose state is more than its words, as the documentation of random has it."""

    drawn = 0

    def random(self):
        self.drawn += 1
        return 0.5

    def getstate(self):
        return (super().getstate(), self.drawn)


class Unhashable(Counted):
    def __eq__(self, other):
        return isinstance(other, Unhashable)

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [Counted, Unhashable, random.Random])
def test_a_generator_of_a_programs_own_in_the_place_of_randoms_is_watched(kind, monkeypatch):
    for _ in range(2):
        own = kind()
        for name in ("random", "getstate", "setstate", "seed"):
            monkeypatch.setattr(random, name, getattr(own, name))
        watch = GlobalRandomWatch()
        before = watch.begin()
        assert watch.end(before) == ()
        before = watch.begin()
        random.random()
        assert watch.end(before) == (STDLIB,)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="elsewhere they are asked")
def test_the_memory_of_the_generators_is_read():
    words, _ = cast("tuple[bytes, float | None]", stdlib_state())
    assert len(words) == 4 * 625
    assert isinstance(numpy_state(), bytes)


def test_a_generator_that_a_cell_puts_in_numpys_place_is_noticed():
    get, replace = np.random.get_bit_generator, np.random.set_bit_generator  # type: ignore[attr-defined]
    usual, watch = get(), GlobalRandomWatch()
    for own in (np.random.MT19937(1), np.random.PCG64(1)):
        before = watch.begin()
        replace(own)
        changed = watch.end(before)
        before = watch.begin()
        np.random.rand()
        drawn = watch.end(before)
        before = watch.begin()
        replace(usual)
        assert (changed, drawn, watch.end(before)) == ((NUMPY,), (NUMPY,), (NUMPY,))


def test_a_generator_that_another_thread_draws_from_is_seen_to_be_read_right():
    own, stop = random.Random(1), threading.Event()

    def draw():
        while not stop.is_set():
            own.random()

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        looks = [_words_of_stdlib(own) for _ in range(300)]
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        for thread in threads:
            thread.join()
    assert None not in looks


def test_another_generator_in_the_place_of_numpys_is_watched(monkeypatch):
    own = np.random.RandomState(3)
    for name in ("rand", "randn", "get_state", "set_state", "seed"):
        monkeypatch.setattr(np.random, name, getattr(own, name))
    watch = GlobalRandomWatch()
    for draw in (np.random.rand, np.random.randn, np.random.randn):
        before = watch.begin()
        draw()
        assert watch.end(before) == (NUMPY,)


def test_generators_that_are_gone_are_not_kept(monkeypatch):
    class Own(random.Random):
        pass

    gone = []
    for kind in (Own, random.Random):
        for _ in range(3):
            own = kind()
            monkeypatch.setattr(random, "getstate", own.getstate)
            GlobalRandomWatch().begin()
            gone.append(weakref.ref(own))
    monkeypatch.undo()
    GlobalRandomWatch().begin()
    del own
    gc.collect()
    assert [one() for one in gone if one() is not None] == []


@pytest.mark.usefixtures("global_generator")
@pytest.mark.parametrize("draw", [np.random.rand, np.random.randn], ids=["rand", "randn"])
def test_a_draw_is_noticed_whatever_generator_is_behind_numpys(draw):
    watch = GlobalRandomWatch()
    assert watch.end(watch.begin()) == ()
    before = watch.begin()
    draw()
    assert watch.end(before) == (NUMPY,)


def test_a_change_while_other_cells_run_is_seen_by_each_of_them():
    watch = GlobalRandomWatch()
    first, second = watch.begin(), watch.begin()
    random.random()
    assert watch.end(first) == (STDLIB,)
    assert watch.end(second) == (STDLIB,)
    assert watch.end(watch.begin()) == ()


@pytest.mark.usefixtures("global_generator")
def test_states_are_put_back_with_the_normal_number_that_is_kept():
    def numbers():
        return [random.gauss(0, 1), random.random(), np.random.randn(), np.random.rand()]

    random.gauss(0, 1), np.random.randn()
    with GlobalStateKept():
        inside = numbers()
    assert numbers() == inside


def test_one_seed_gives_one_sequence_and_numpy_takes_its_low_bits():
    def numbers(seed):
        seed_global(seed)
        return random.random(), np.random.rand()

    with GlobalStateKept():
        assert numbers(2**40 + 7) == numbers(2**40 + 7)
        assert numbers(2**40 + 7)[1] == numbers(7)[1]
        assert numbers(2**40 + 7)[0] != numbers(7)[0]


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}, PROCESS])
@pytest.mark.parametrize("generator", ["random", "numpy.random"])
def test_drawing_from_a_global_generator_warns_once(options, generator):
    def stdlib(replicate):
        import random

        return random.random()

    def legacy(replicate):
        return np.random.rand()

    function = stdlib if generator == "random" else legacy
    with pytest.warns(GlobalRandomWarning, match=f"{function.__name__} draws .*{generator}") as all:
        Experiment(function, replicates=50, **options).run()
    assert len(all) == 1
    assert "'rng'" in str(all[0].message)


def test_drawing_from_a_global_generator_warns_under_async():
    async def trial():
        return np.random.rand()

    with pytest.warns(GlobalRandomWarning, match=r"numpy\.random"):
        Experiment(trial, replicates=5, execution="async").run()


@pytest.mark.parametrize("options", [{}, PROCESS])
def test_seeded_globals_are_reproducible_and_leave_ours_alone(options):
    def trial(replicate):
        import random

        return {"a": random.random(), "b": np.random.rand()}

    import random

    random.seed(1)
    np.random.seed(1)
    before = random.getstate()
    result = Experiment(trial, replicates=20, seed=5, seed_globals=True, **options).run()
    assert random.getstate() == before
    expected = random.Random(result.seeds[7]).random()
    assert result.metrics["baseline"]["a"][7] == expected
    legacy = np.random.RandomState(result.seeds[7] % 2**32)
    assert result.metrics["baseline"]["b"][7] == legacy.rand()
