"""Which tests a suite has."""

from harness import checks_of

from crystallize import hookimpl
from crystallize.plugins.execution import ParallelExecution, SerialExecution
from crystallize.testing import ExecutorSuite


class OfThreads(ExecutorSuite):
    def make(self):
        return ParallelExecution(2)


class OfProcesses(OfThreads):
    def make(self):
        return ParallelExecution(2, "process")


class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


class OfALoop(OfProcesses):
    def make(self):
        return Loop()


class WithoutSome(ExecutorSuite):
    test_ctrl_c_ends_a_program = None  # type: ignore[assignment]
    test_no_two_cells_share_a_process = None  # type: ignore[assignment]

    def make(self):
        return SerialExecution()


class DerivedFromIt(WithoutSome):
    pass


def test_what_a_plugin_says_decides_which_tests_there_are():
    killed = "test_a_killed_worker_costs_no_more_than_its_tasks"
    assert killed not in checks_of(OfThreads)
    assert killed in checks_of(OfProcesses)
    assert killed not in checks_of(OfALoop)
    assert "test_it_ticks_while_it_waits" not in checks_of(OfALoop)
    assert "test_two_experiments_run_at_once" in checks_of(OfALoop)


def test_a_test_that_is_taken_out_stays_out():
    assert "test_ctrl_c_keeps_what_finished" in checks_of(WithoutSome)
    for suite in (WithoutSome, DerivedFromIt):
        assert "test_ctrl_c_ends_a_program" not in checks_of(suite)
        assert "test_no_two_cells_share_a_process" not in checks_of(suite)
