"""No config ends in a traceback, fills the memory or hangs."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from crystallize.description.config import read_config
from crystallize.errors import ConfigError


def bomb(levels=30, start="&a0 [x, x, x, x, x, x, x, x, x]"):
    lines = [f"a0: {start}"]
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)


def merge_bomb(levels=12):
    lines = ["a0: &a0 {k: 1}"]
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} {{<<: [{inner}]}}")
    return "\n".join(lines)


@contextmanager
def at_most(seconds):
    """Fail, rather than hang."""

    def fail(*_):
        raise AssertionError("took too long")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("suffix", "content", "problem"),
    [
        (".yaml", bomb(), "its aliases stand for more than"),
        (".yaml", merge_bomb(), "its aliases stand for more than"),
        (".yaml", "a: &a [*a]", "an alias is inside of what it repeats"),
        (".yaml", "a: &a {b: *a}", "an alias is inside of what it repeats"),
        (".yaml", "a: !!timestamp x", "not valid YAML"),
        (".yaml", "a: !!bool maybe", "not valid YAML"),
        (".yaml", "a: !!int ''", "not valid YAML"),
        (".yaml", "a: !!float '.'", "not valid YAML"),
        (".yaml", "? [a, b]\n: 1", "not valid YAML"),
        (".yaml", "a: !!python/name:os.system ''", "could not determine a constructor"),
        (".yaml", "a: !!python/object/apply:os.system [exit]", "could not determine a"),
        (".yaml", "a: !mine {b: 1}", "could not determine a constructor"),
        (".yaml", f"a: {'9' * 5000}", "not valid YAML"),
        (".toml", "[experiment]\nfunction='a:b'\n[store]\npaht='x'", "Did you mean 'path'"),
        (".yaml", "a: 1\n---\nb: 2", "not valid YAML"),
        (".yaml", "[" * 100_000, "nested too deeply|not valid YAML"),
        (".json", "[" * 100_000, "nested too deeply"),
        (".toml", "a = " + "[" * 100_000, "nested too deeply"),
        (".json", f'{{"a": {"9" * 5000}}}', "not valid JSON"),
        (".toml", f"a = {'9' * 5000}", "not valid TOML"),
        (".toml", "#" * (10 * 2**20 + 1), "longer than"),
    ],
)
def test_a_crafted_file_is_refused(tmp_path, suffix, content, problem):
    path = tmp_path / f"c{suffix}"
    path.write_text(content)
    with at_most(20), pytest.raises(ConfigError, match=problem):
        read_config(path)


def test_an_alias_may_repeat_what_is_small(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "shared: &shared {n: 4, m: 2}\n"
        "experiment: {function: 'trials:trial'}\n"
        "conditions:\n  a: {<<: *shared}\n  b: {<<: *shared, m: 3}\n"
    )
    with pytest.raises(ConfigError, match="shared: no such key") as refused:
        read_config(path)
    assert len(refused.value.problems) == 1
    path.write_text(
        "experiment: {function: 'trials:trial'}\n"
        "conditions:\n  a: &shared {n: 4, m: 2}\n  b: {<<: *shared, m: 3}\n"
    )
    assert read_config(path).conditions == {"a": {"n": 4, "m": 2}, "b": {"n": 4, "m": 3}}


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/stdin"])
def test_a_device_is_not_read(tmp_path, name):
    path = tmp_path / "c.toml"
    path.symlink_to(name)
    with at_most(20), pytest.raises(ConfigError, match="device or a pipe"):
        read_config(path)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path):
    path = tmp_path / "c.yaml"
    os.mkfifo(path)
    with at_most(20), pytest.raises(ConfigError, match="device or a pipe"):
        read_config(path)


def test_a_folder_is_no_config(tmp_path):
    (tmp_path / "c.toml").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        read_config(tmp_path / "c.toml")


def test_another_ending_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "c.ini"
    path.touch()
    os.truncate(path, 2**40)  # takes no room
    with at_most(20), pytest.raises(ConfigError, match="unknown format"):
        read_config(path)


def test_the_command_refuses_a_bomb_in_one_message(tmp_path):
    path = tmp_path / "bomb.yml"
    path.write_text(bomb())
    done = subprocess.run(
        [sys.executable, "-m", "crystallize", "run", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "aliases" in done.stderr
    assert "Traceback" not in done.stderr
