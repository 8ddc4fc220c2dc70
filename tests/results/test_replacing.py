"""Files are replaced whole: what stood there stays until the new one is complete."""

import json
import stat
import subprocess
import sys

import pytest

from crystallize import Experiment, Result
from crystallize.errors import ExportError, ResultFileError


@pytest.fixture
def small():
    return Experiment(lambda rng: rng.random(), replicates=3, seed=1).run()


@pytest.mark.parametrize("method", ["save", "to_json", "export"])
def test_an_unsavable_value_leaves_the_good_file(small, tmp_path, method):
    path = tmp_path / ("result.json" if method == "to_json" else "result.zip")
    getattr(small, method)(path)
    good = path.read_bytes()
    small.sections["bad"] = {"x": object()}
    with pytest.raises((ResultFileError, ExportError, TypeError), match="object"):
        getattr(small, method)(path)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_a_number_too_long_to_be_written_leaves_the_good_file(small, tmp_path):
    path = tmp_path / "result.zip"
    small.save(path)
    small.sections["bad"] = {"x": 10**5000}
    with pytest.raises(ResultFileError, match="cannot save this result"):
        small.save(path)
    assert Result.load(path).seeds == small.seeds


PROGRAM = """
import resource, sys
from crystallize import Experiment
result = Experiment(lambda rng: rng.random(), replicates=20_000, seed=2).run()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    getattr(result, sys.argv[1])(sys.argv[2])
except OSError as error:
    print("refused", error.errno)
"""


@pytest.mark.parametrize("method", ["save", "to_json"])
def test_a_disk_that_is_full_in_the_middle_leaves_the_good_file(small, tmp_path, method):
    path = tmp_path / "result"
    getattr(small, method)(path)
    good = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, method, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused")
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_for_its_owners_eyes_and_an_old_one_keeps_its_readers(small, tmp_path):
    path = tmp_path / "result.zip"
    small.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    small.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_file_behind_a_link_is_replaced(small, tmp_path):
    (tmp_path / "behind.json").write_text("old")
    (tmp_path / "link.json").symlink_to("behind.json")
    small.to_json(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "behind.json").read_text())["seeds"] == small.seeds
