"""``crystallize run``: what goes to which stream, and the exit code, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Config = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    def config(body: str, settings: str = "", name: str = "trial") -> Path:
        """Write a module of one function, ``run``, and a config of it with four replicates."""
        (tmp_path / f"{name}.py").write_text(body, encoding="utf-8")
        path = tmp_path / "config.toml"
        path.write_text(
            f'[experiment]\nfunction = "{name}:run"\nreplicates = 4\nseed = 1\n{settings}',
            encoding="utf-8",
        )
        return path

    return config


def run(
    path: Path, *arguments: str, environ: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crystallize", "run", str(path), *arguments],
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def on_path(folder: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    }


def check_refused(ended: subprocess.CompletedProcess[str], *phrases: str) -> None:
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    for phrase in phrases:
        assert phrase in ended.stderr


PLAIN = "def run(replicate):\n    return {'x': replicate}\n"
SOME_FAIL = (
    "def run(replicate):\n    if replicate % 2:\n        raise ValueError(f'odd {replicate}')\n"
    "    return {'x': replicate}\n"
)
ASYNC = "async def run(replicate):\n    return {'x': replicate}\n"


# --- stdout is the result's -----------------------------------------------------------------


def test_the_config_may_be_anywhere_and_the_module_is_beside_it(
    config: Config, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = config(PLAIN)

    from_elsewhere = run(path, cwd=elsewhere)
    relative = run(Path("config.toml"), cwd=tmp_path)

    assert (from_elsewhere.returncode, from_elsewhere.stderr) == (0, "")
    assert (relative.returncode, relative.stdout) == (0, from_elsewhere.stdout)


@pytest.mark.parametrize(
    "strategy",
    ["serial", "parallel", "parallel --set execution.executor_type=process"],
    ids=["serial", "thread", "process"],
)
def test_what_the_function_prints_stays_out_of_the_json(config: Config, strategy: str) -> None:
    path = config(
        "import subprocess, sys\nprint('importing')\n"
        "def run(replicate):\n    print('running', flush=True)\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"child\")'])\n"
        "    return {'x': replicate}\n"
    )
    name, *rest = strategy.split()
    chosen = ["--set", f"execution.strategy={name}", *rest]

    ended = run(path, "--json", *chosen)

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["metrics"] == {"baseline": {"x": [0, 1, 2, 3]}}
    assert "importing" in ended.stderr


def test_warnings_go_to_stderr(config: Config) -> None:
    path = config("import random\ndef run():\n    return {'x': random.random()}\n")

    ended = run(path, "--json")

    assert ended.returncode == 0
    assert set(json.loads(ended.stdout)["metrics"]["baseline"]) == {"x"}
    assert ended.stderr.startswith("Warning: ")
    assert "'rng'" in ended.stderr


STRATEGIES = [[], ["--execution", "parallel"], ["--set", "execution.executor_type=process"]]


@pytest.mark.parametrize("options", STRATEGIES, ids=["serial", "thread", "process"])
def test_what_cells_warn_of_and_log_is_on_stderr_once_and_in_the_json(
    config: Config, options: list[str]
) -> None:
    settings = "[execution]\nstrategy = 'parallel'\n" if "process" in str(options) else ""
    path = config(
        "import logging, warnings\n"
        "def run(replicate):\n    warnings.warn('careful')\n    print('printed')\n"
        "    logging.warning('logged %d', replicate)\n    return {'x': replicate}\n",
        settings,
    )

    ended = run(path, "--json", *options)

    assert json.loads(ended.stdout)["warnings"] == [
        {
            "condition": "baseline",
            "replicate": 0,
            "category": "UserWarning",
            "message": "careful",
            "count": 4,
        }
    ]
    assert ended.stderr.count("careful") == 1
    assert ended.stderr.count("Warning: careful") == 1
    for replicate in range(4):
        assert ended.stderr.count(f"logged {replicate}") == 1
    assert "printed" not in ended.stdout
    assert ended.stderr.count("printed") == 4


def test_json_is_what_the_result_says_of_itself(config: Config) -> None:
    from crystallize import Experiment

    path = config(SOME_FAIL, "[conditions.only]\n")

    printed = json.loads(run(path, "--json").stdout)

    assert printed["metrics"] == {"only": {"x": [0, None, 2, None]}}
    assert [error["message"] for error in printed["errors"]] == ["odd 1", "odd 3"]
    path_was, sys.path = sys.path, sys.path.copy()
    try:
        here = Experiment.from_config(path).run().to_dict()
    finally:
        sys.path = path_was
    for key in ("metrics", "seeds", "errors", "warnings", "summary", "sections"):
        assert printed[key] == json.loads(json.dumps(here[key]))


def test_names_that_the_terminal_lacks_do_no_harm(config: Config) -> None:
    path = config("def run():\n    return {'λ': 1.0}\n")

    table = run(path, environ={"PYTHONIOENCODING": "cp1252"})
    as_json = run(path, "--json", environ={"PYTHONIOENCODING": "cp1252"})

    assert (table.returncode, table.stderr) == (0, "")
    assert "\\u03bb" in table.stdout
    assert list(json.loads(as_json.stdout)["metrics"]["baseline"]) == ["λ"]


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--json", "--replicates", "20000"]])
def test_a_reader_that_goes_away_is_met_with_silence(
    config: Config, arguments: Sequence[str]
) -> None:
    path = config(PLAIN)
    process = subprocess.Popen(
        [sys.executable, "-m", "crystallize", "run", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stderr:
        process.stdout.close()
        assert process.stderr.read() == ""


# --- progress -------------------------------------------------------------------------------


def test_no_progress_bar_without_a_terminal(config: Config) -> None:
    assert run(config(PLAIN)).stderr == ""


def test_progress_that_the_config_asks_for(config: Config) -> None:
    ended = run(config(PLAIN, "progress = true\n"), "--json")

    assert "4 of 4 cells done" in ended.stderr
    assert json.loads(ended.stdout)["errors"] == []


def test_a_progress_bar_on_a_terminal(config: Config) -> None:
    import pty  # nothing else makes a terminal, and Windows has none
    import termios

    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(stderr, (24, 100))
    ended = subprocess.run(
        [sys.executable, "-m", "crystallize", "run", str(config(PLAIN)), "--json"],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=60,
    )
    os.close(stderr)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)

    assert "4/4" in shown
    assert json.loads(ended.stdout)["errors"] == []


# --- failed cells: 1 ------------------------------------------------------------------------


def test_the_first_of_a_kind_of_failures_is_named_and_the_others_counted(config: Config) -> None:
    ended = run(config(SOME_FAIL), "--replicates", "20")

    assert ended.returncode == 1
    assert "10 cells failed" in ended.stdout
    assert "replicate 1, seed" in ended.stderr
    assert "ValueError: odd 1" in ended.stderr
    assert "odd 3" not in ended.stderr
    assert "9 more of this condition and type" in ended.stderr


def test_every_cell_failed(config: Config) -> None:
    ended = run(config("def run():\n    1 / 0\n"), "--json")

    assert ended.returncode == 1
    assert len(json.loads(ended.stdout)["errors"]) == 4


def test_a_function_that_exits_fails_its_cell(config: Config) -> None:
    ended = run(config("import sys\ndef run():\n    sys.exit(5)\n"), "--json")

    assert ended.returncode == 1
    assert {error["type"] for error in json.loads(ended.stdout)["errors"]} == {"SystemExit"}


# --- refused: 2 -----------------------------------------------------------------------------


REFUSED = [
    ("", "1 / 0\n", ["trial.py, line 1", "ZeroDivisionError"]),
    ("", "import sys\nsys.exit(0)\n", ["trial.py", "SystemExit"]),
    ("", "(\n", ["trial.py, line 1", "SyntaxError"]),
    ("", "run = 3\n", ["trial:run", "int"]),
    ("[conditions.a]\nm = 1\n", "def run(n): ...\n", ["'a'", "'m'", "'n'"]),
    ("[conditions.a]\n", "def run(n): ...\n", ["requires 'n'", "'a'"]),
    ("[conditions.a]\nrng = 1\n", "def run(rng): ...\n", ["'rng'", "'a'"]),
    ("baseline = 'b'\n[grid]\nn = [1]\n", "def run(n): ...\n", ["'b'", "n=1"]),
    ("[grid]\nn = [1, 1]\n", "def run(n): ...\n", ["n=1"]),
    ("", ASYNC, []),
    ("[execution]\nstrategy = 'async'\n", PLAIN, ["coroutine", "'serial'", "'parallel'"]),
    ("[execution]\nstrategy = 'parallel'\n", ASYNC, ["'async'"]),
    ("[execution]\nstrategy = 'serail'\n", PLAIN, ["Did you mean 'serial'", "'parallel'"]),
    ("[execution]\nstrategy = 'parallel'\nmax_workers = 0\n", PLAIN, ["max_workers", "got 0"]),
    ("[execution]\nstrategy = 'parallel'\nworkers = 2\n", PLAIN, ["'workers'", "'max_workers'"]),
    ("[execution]\nmax_workers = 2\n", PLAIN, ["'max_workers'", "serial"]),
    ("[aggregation]\naggregators = ['nosuch']\n", PLAIN, ["aggregator", "'nosuch'"]),
    ("plugins = ['nosuch']\n", PLAIN, ["plugin", "'nosuch'"]),
    ("[execution]\nstrategy = 'parallel'\n", PLAIN, []),
]


@pytest.mark.parametrize(("settings", "body", "phrases"), REFUSED)
def test_what_does_not_fit_is_refused_before_any_replicate(
    config: Config, tmp_path: Path, settings: str, body: str, phrases: Sequence[str]
) -> None:
    path = config(body, settings)
    if not phrases:  # these two fit; so the others are refused for their reason alone
        assert run(path).returncode == 0
        return

    check_refused(run(path), *phrases)


@pytest.mark.parametrize("option", ["--replicates", "--seed", "--execution", "--set"])
def test_an_option_without_a_value(config: Config, option: str) -> None:
    check_refused(run(config(PLAIN), option), option)


def test_no_config_and_one_too_many(config: Config) -> None:
    path = config(PLAIN)

    check_refused(run(path, str(path)), "what follows CONFIG goes with --from-merge")
    bare = subprocess.run(
        [sys.executable, "-m", "crystallize", "run"], capture_output=True, text=True, timeout=60
    )
    check_refused(bare, "CONFIG")


def test_two_distributions_with_one_name(config: Config, tmp_path: Path) -> None:
    for distribution in ("warp", "weft"):
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text("[crystallize.executors]\nfast = m:X\n")

    ended = run(config(PLAIN), "--execution", "fast", environ=on_path(tmp_path))

    check_refused(ended, "'warp:fast'", "'weft:fast'")


def test_a_strategy_that_cannot_be_imported_names_its_distribution(
    config: Config, tmp_path: Path
) -> None:
    info = tmp_path / "warp-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: warp\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crystallize.executors]\nfast = nosuchmodule:X\n")

    ended = run(config(PLAIN), "--execution", "fast", environ=on_path(tmp_path))

    check_refused(ended, "warp 1.0", "nosuchmodule")


# --- interrupted: 130 -----------------------------------------------------------------------

# The function raises the signal itself, as the terminal would: at a moment that a test can rely on.
INTERRUPTS = (
    "import signal, time\n"
    "def run(replicate):\n"
    "    time.sleep(0.05)\n"
    "    if replicate == 20:\n        signal.raise_signal(signal.SIGINT)\n"
    "    return {'x': replicate}\n"
)


@pytest.mark.parametrize("strategy", ["serial", "parallel"])
def test_what_had_finished_is_printed_as_json_too(config: Config, strategy: str) -> None:
    ended = run(config(INTERRUPTS), "--json", "--replicates", "4000", "--execution", strategy)

    assert ended.returncode == 130
    assert "Interrupted" in ended.stderr
    assert "Traceback" not in ended.stderr
    printed = json.loads(ended.stdout)
    finished = [x for x in printed["metrics"]["baseline"]["x"] if x is not None]
    assert set(range(15)) <= set(finished) < set(range(200))
    assert printed["errors"] == []


def test_an_interruption_while_the_module_is_imported(config: Config) -> None:
    ended = run(config("import signal\nsignal.raise_signal(signal.SIGINT)\n" + PLAIN))

    assert ended.returncode == 130
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def test_a_second_interruption_changes_neither_the_code_nor_what_is_kept(config: Config) -> None:
    path = config(
        "import signal, time\n"
        "def run(replicate):\n"
        "    time.sleep(0.05)\n"
        "    try:\n        if replicate == 20:\n            signal.raise_signal(signal.SIGINT)\n"
        "    finally:\n        if replicate == 20:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "    return {'x': replicate}\n"
    )

    ended = run(path, "--json", "--replicates", "4000")

    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert json.loads(ended.stdout)["metrics"]["baseline"]["x"][:15] == list(range(15))
