"""README and docs are executed: every snippet, in order, a page at a time."""

import contextlib
import doctest
import importlib
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import crystallize
from crystallize import hookspecs
from crystallize.description.config import read_config
from crystallize.plugins.validation import HOOKS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w.-]+\.(?:py|toml))\n")
LANGUAGES = {"python", "text", "toml", "console", "sh", "bash"}


def snippets(page):
    return FENCE.findall(page.read_text(encoding="utf-8"))


def commands(console):
    """Each command of a console snippet with the output under it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_snippet_runs_and_prints_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    names = {"__name__": "__main__"}
    printed = ""
    for language, text in snippets(page):
        assert language in LANGUAGES, f"{page.name}: nothing runs a snippet of {language!r}"
        if language == "text":
            assert printed == text
        elif language == "console":
            for command, output in commands(text):
                done = subprocess.run(command, shell=True, capture_output=True, text=True)
                assert (done.returncode, done.stderr) == (0, ""), command
                assert done.stdout == output
        elif language == "bash":  # job scripts: those for Slurm run in `nox -s slurm`
            subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        elif language == "sh":
            assert text.strip() in (ROOT / ".ci" / "run").read_text(), "CI must run it"
        elif (file := FILE.match(text)) is not None:
            Path(file[1]).write_text(text)
            if file[1].endswith(".toml") and "[experiment]" in text:
                read_config(file[1])
        else:
            assert language == "python", text
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, str(page), "exec"), names)
            printed = out.getvalue()


@pytest.mark.parametrize("page", ["benchmarks", "speed"])
def test_what_a_command_writes_into_a_page_is_there(page):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    places = re.findall(r"<!-- \w+: written by (?:.*?) -->(.*?)<!-- end of", text, re.DOTALL)
    assert places and all("| ---" in written for written in places)


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda page: page.stem
)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook):
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    assert f"\n## {hook}\n\n`{hook}{signature}`\n" in text


def modules():
    source = Path(crystallize.__file__).parent
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            yield ".".join(parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(modules()))
def test_every_example_in_a_docstring_runs(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_name_has_a_docstring():
    for name in modules():
        for public, value in vars(importlib.import_module(name)).items():
            ours = getattr(value, "__module__", None) == name and not public.startswith("_")
            if ours and (inspect.isclass(value) or inspect.isfunction(value)):
                assert value.__doc__, f"{name}.{public}"


def test_the_config_keys_are_documented():
    from crystallize.description.config import EXPERIMENT_RULES

    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key in EXPERIMENT_RULES:
        assert f"`experiment.{key}`" in text
