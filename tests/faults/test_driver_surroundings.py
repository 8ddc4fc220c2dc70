"""Surroundings of the driver that are not as they should be."""

import pytest

GONE = """
import os, tempfile

def trial(rng, replicate):
    return rng.normal()

async def coroutine(rng, replicate):
    return rng.normal()

if __name__ == "__main__":
    gone = tempfile.mkdtemp()
    os.chdir(gone)
    os.rmdir(gone)
    options = {
        "serial": {}, "async": ASYNC, "process": PROCESS,
        "thread": {"execution": "parallel", "execution_options": {"max_workers": 2}},
        "futures": {
            "execution": "futures",
            "execution_options": {"factory": "concurrent.futures:ThreadPoolExecutor", "workers": 2},
        },
    }[sys.argv[1]]
    function = coroutine if sys.argv[1] == "async" else trial
    print(done(Experiment(function, replicates=20, seed=1, **options).run()))
"""


@pytest.mark.parametrize("how", ["serial", "thread", "process", "async", "futures"])
def test_a_working_directory_that_is_gone_costs_nothing(program, how):
    running = program(GONE, how)
    assert running.ended() == "20"
    assert running.err == ""


def test_a_function_without_a_file_needs_no_working_directory(program):
    running = program("""
gone = Path.cwd() / "gone"
gone.mkdir()
os.chdir(gone)
gone.rmdir()
print(done(Experiment(eval("lambda replicate: 1.0"), replicates=5, seed=1).run()))
""")
    assert running.ended() == "5"
