"""``crystallize plugins``: what is installed, found but not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults  # it takes long

Install = Callable[..., None]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


OURS = "compare,estimate,hypotheses,performance,quantiles,report,html,dask,ray"
"""What is installed beside the core where tests run, and takes seconds to import."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages that the command under test has on its path."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def install(site: Path) -> Install:
    def install(distribution: str, module: str, group: str = "executors", name: str = "") -> None:
        """Install a distribution of one entry point and one module, which is named like it."""
        info = site / f"{distribution}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(
            f"[crystallize.{group}]\n{name or distribution} = {distribution}:Thing\n"
        )
        (site / f"{distribution}.py").write_text(module)

    return install


@pytest.fixture
def plugins(site: Path) -> Command:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))

    def plugins(
        *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "crystallize", "plugins", *arguments],
            env={
                **os.environ,
                "PYTHONPATH": path,
                "CRYSTALLIZE_BLOCK_PLUGINS": OURS,
                **(environ or {}),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    return plugins


def statuses(listing: str) -> dict[str, str]:
    """Name -> status, of the table; one line a plugin."""
    header, *lines = listing.splitlines()
    columns = header.split()
    checked = ["import"] if "import" in columns else []
    assert columns == ["name", "kind", "distribution", "version", *checked, "status"]
    rows = [line.split(maxsplit=len(columns) - 1) for line in lines]
    assert all(len(row) == len(columns) for row in rows), listing
    return {row[0]: row[-1] for row in rows}


EXECUTOR = "class Thing:\n    def run_experiment_loop(self, experiment, replicate_fn): ...\n"
OBSERVER = (
    "from crystallize import hookimpl\nclass Thing:\n    @hookimpl\n    def before_run(self): ...\n"
)


def test_the_table_has_the_strategies_of_the_core(plugins: Command) -> None:
    ended = plugins()

    assert ended.returncode == 0
    assert ended.stderr == ""
    assert {"serial", "parallel", "async"} <= set(statuses(ended.stdout))


def test_json_has_the_same(plugins: Command, install: Install) -> None:
    install("warp", "", name="fast")
    install("lens", "", "aggregators")
    install("logger", "", "plugins")

    ended = plugins("--json")
    rows = {row["name"]: row for row in json.loads(ended.stdout)}

    assert ended.returncode == 0
    assert rows["fast"] == {
        "name": "fast",
        "kind": "executor",
        "distribution": "warp",
        "version": "1.2",
        "status": "available",
    }
    assert rows["lens"]["kind"] == "aggregator"
    assert rows["logger"]["kind"] == "plugin"
    assert rows["serial"]["distribution"] == "crystallize-core"
    assert rows["serial"]["version"] == version("crystallize-core")
    assert {name: row["status"] for name, row in rows.items()} == statuses(plugins().stdout)


def test_listing_imports_no_plugin(plugins: Command, install: Install, tmp_path: Path) -> None:
    trace = tmp_path / "imported"
    touch = f"from pathlib import Path\nPath({str(trace)!r}).touch()\n"
    install("warp", touch + EXECUTOR)
    install("logger", touch + OBSERVER, "plugins")

    assert plugins().returncode == 0
    assert not trace.exists()
    assert plugins("--check", environ={"CRYSTALLIZE_BLOCK_PLUGINS": ""}).returncode == 0
    assert trace.exists()


def test_listing_survives_a_plugin_that_cannot_be_imported(
    plugins: Command, install: Install
) -> None:
    install("warp", "import nosuchdependency\n")

    listed, checked = plugins(), plugins("--check")

    assert (listed.returncode, statuses(listed.stdout)["warp"]) == (0, "available")
    assert checked.returncode == 1
    assert statuses(checked.stdout)["warp"] == (
        "broken: ModuleNotFoundError: No module named 'nosuchdependency'"
    )
    assert statuses(checked.stdout)["serial"] == "available"
    assert "Traceback" not in checked.stderr


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        ("1 / 0\n", "broken: ZeroDivisionError: division by zero"),
        ("(\n", "broken: SyntaxError: '(' was never closed"),
        ("import sys\nsys.exit(0)\n", "broken: SystemExit: 0"),
        ("Other = 1\n", "broken: AttributeError: module 'warp' has no attribute 'Thing'"),
        ("raise BaseException('odd')\n", "broken: BaseException: odd"),
        ("raise RuntimeError('one\\ntwo')\n", "broken: RuntimeError: one"),
        (
            "class Mute(Exception):\n    def __str__(self):\n        1 / 0\nraise Mute\n",
            "broken: Mute",
        ),
    ],
    ids=["raises", "syntax", "exits", "attribute", "base", "lines", "mute"],
)
def test_check_survives_whatever_a_plugin_does(
    plugins: Command, install: Install, module: str, shown: str
) -> None:
    install("warp", module)
    install("zeta", EXECUTOR)

    ended = plugins("--check")

    assert ended.returncode == 1
    assert statuses(ended.stdout)["warp"].startswith(shown)
    assert statuses(ended.stdout)["zeta"] == "available"
    assert "Traceback" not in ended.stderr


def test_what_a_plugin_prints_stays_out_of_the_json(plugins: Command, install: Install) -> None:
    install("warp", "print('hello')\n" + EXECUTOR)

    ended = plugins("--check", "--json")

    assert {row["name"]: row["status"] for row in json.loads(ended.stdout)}["warp"] == "available"


def test_blocked_and_ambiguous_plugins_say_so(plugins: Command, install: Install) -> None:
    install("warp", "", name="fast")
    install("weft", "", name="fast")
    install("zeta", "1 / 0\n")

    ended = plugins("--check", environ={"CRYSTALLIZE_BLOCK_PLUGINS": f"zeta,warp:fast,{OURS}"})
    rows = [line.split() for line in ended.stdout.splitlines()]

    assert [row[5] for row in rows if row[0] == "zeta"] == ["blocked"]
    assert [row[5] for row in rows if row[2] == "warp"] == ["blocked"]
    assert [row[5] for row in rows if row[2] == "weft"] == ["broken:"]
    assert {"conflict"} == {
        row.split()[4] for row in plugins().stdout.splitlines() if row.startswith("fast")
    }


def test_an_argument_too_many_is_a_wrong_call(plugins: Command) -> None:
    assert plugins("serial", "parallel").returncode == 2
