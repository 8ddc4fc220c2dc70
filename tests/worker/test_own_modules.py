"""The user's own modules run in workers as the driver had them, whatever their files say by now."""

import json
import pickle
import subprocess
import sys
import textwrap

import pytest

from crystallize.worker.own_modules import OwnModules

PROCESS = ("--execution", "parallel", "--set", "execution.executor_type=process")
CONFIG = """
[experiment]
function = "{function}"
replicates = {replicates}
seed = 1
retries = 1
"""


@pytest.fixture
def study(tmp_path):
    """Writes modules and a config beside them; runs it and gives its metrics."""

    def make(function="study:trial", replicates=40, **modules):
        for name, source in modules.items():
            path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(source))
        config = tmp_path / "c.toml"
        config.write_text(CONFIG.format(function=function, replicates=replicates))

        def run(*options):
            done = subprocess.run(
                [sys.executable, "-m", "crystallize", "run", config, "--json", *options],
                capture_output=True,
                text=True,
                timeout=120,
                cwd=tmp_path,
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)["metrics"]["baseline"]

        return run

    return make


@pytest.mark.faults
def test_a_file_that_is_edited_while_a_run_is_under_way_changes_nothing(study):
    run = study(
        replicates=60,
        helper="""
            def f(x):
                return x
        """,
        study="""
            import os, pathlib, signal
            from helper import f
            HERE = pathlib.Path(__file__).parent

            def trial(replicate):
                if replicate == 30 and not (HERE / "died").exists():
                    (HERE / "died").touch()
                    (HERE / "helper.py").write_text("def f(x):\\n    return x + 100\\n")
                    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
                return {"x": f(1.0), "worker": os.getpid()}
        """,
    )
    metrics = run(*PROCESS, "--set", "execution.max_workers=1")
    assert set(metrics["x"]) == {1.0}
    assert len(set(metrics["worker"])) > 1


def test_what_the_studys_file_sets_up_is_there_in_workers(study):
    run = study(
        helper="""
            ORDER = 2
            def design(x):
                return sum(x ** k for k in range(ORDER + 1))
        """,
        study="""
            import decimal, logging, helper
            helper.ORDER = 5
            decimal.DefaultContext.prec = 7
            logging.getLogger("study").setLevel(logging.ERROR)

            def trial(rng):
                return {
                    "y": helper.design(rng.random()),
                    "precision": decimal.Context().prec,
                    "level": logging.getLogger("study").level,
                }
        """,
    )
    assert run() == run(*PROCESS)


def test_packages_and_what_they_import_from_each_other(study):
    modules = {
        "lab.__init__": """
            SCALE = 3
        """,
        "lab.study": """
            from . import SCALE
            from .inner import shifted
            def trial(rng):
                return shifted(rng.random()) * SCALE
        """,
        "lab.inner": """
            from lab import SCALE
            def shifted(x):
                return x + SCALE
        """,
    }
    run = study(function="lab.study:trial", **modules)
    assert run() == run(*PROCESS)


PROGRAM = """
    import sys, helper, study
    from crystallize import Experiment

    def run():
        options = {"executor_type": "process", "max_workers": 1}
        experiment = Experiment(
            study.trial, replicates=20, seed=1, execution="parallel", execution_options=options
        )
        return experiment.run().metrics["baseline"]["value"].tolist()

    if __name__ == "__main__":
        first, second = run(), run()
        assert first == second, (first, second)
        assert not any(type(one).__module__.startswith("crystallize") for one in sys.meta_path)
        print("the same")
"""


def test_what_cells_of_an_earlier_run_left_in_a_worker_does_not_count(study, tmp_path):
    study(
        helper="""
            limit = 1
        """,
        study="""
            import helper
            def trial(replicate):
                found = helper.limit
                if replicate == 19:
                    helper.limit = 50
                return found
        """,
        program=PROGRAM,
    )
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.stdout == "the same\n", done.stderr


def test_a_process_provides_itself_nothing():
    before = list(sys.meta_path)
    pickle.loads(pickle.dumps(OwnModules.loaded())).provide()
    assert sys.meta_path == before
