"""Writing a new plugin distribution: what ``crystallize plugins new`` does."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from crystallize.checks import choice
from crystallize.contracts import API_VERSION
from crystallize.errors import InvalidValueError

PREFIX = "crystallize-"


@dataclass(frozen=True)
class Kind:
    """What differs between the kinds of plugins."""

    group: str
    suffix: str
    description: str
    dependencies: tuple[str, ...]
    use: str


KINDS: Mapping[str, Kind] = {
    "executor": Kind(
        "crystallize.executors",
        "Execution",
        "The execution strategy {name} for Crystallize.",
        (),
        "Name it with `--execution {name}`.",
    ),
    "aggregator": Kind(
        "crystallize.aggregators",
        "Aggregator",
        "The aggregator {name} for Crystallize.",
        ("numpy",),
        'Name it in `aggregators = ["{name}"]`.',
    ),
    "observer": Kind(
        "crystallize.observers",
        "Observer",
        "The observer {name} for Crystallize.",
        (),
        "A table `[plugins.{name}]` in a config names it, with its options.",
    ),
    "command": Kind(
        "crystallize.commands",
        "command",
        "The command crystallize {name}.",
        ("click",),
        "Call it as `crystallize {name}`.",
    ),
    "exporter": Kind(
        "crystallize.exporters",
        "export",
        "Writes results of Crystallize as files that end in .{name}.",
        (),
        "Write with `--output result.{name}`.",
    ),
}


def write_distribution(name: str, kind: str, folder: Path) -> Path:
    """Write a plugin that works, with tests that pass, to be made one's own.

    Parameters
    ----------
    name : str
        What configs and commands are to call it; lower-case letters, digits and
        single hyphens, starting with a letter.  The distribution is called
        ``crystallize-NAME``.
    kind : {"executor", "aggregator", "observer", "command", "exporter"}
    folder : path
        Where the distribution's own folder is made.

    Returns
    -------
    path
        That folder.

    Raises
    ------
    InvalidValueError
        If there is something at that place, or `name` or `kind` will not do.
    """
    choice("--kind", kind, tuple(KINDS))
    name = _checked_name(name)
    target = folder / f"{PREFIX}{name}"
    if target.exists():
        raise InvalidValueError("NAME", str(target), "a folder that is not there yet")
    for path, text in rendered(name, kind).items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")
    return target


def rendered(name: str, kind: str) -> dict[str, str]:
    """Path inside the distribution -> what is written there."""
    traits = KINDS[kind]
    words = name.split("-")
    is_class = traits.suffix[0].isupper()
    attribute = "".join(map(str.title, words)) + traits.suffix if is_class else traits.suffix
    package = f"crystallize_{'_'.join(words)}"
    values = {
        "api": API_VERSION,
        "attribute": attribute,
        "dependencies": ", ".join(
            f'"{d}"' for d in ("crystallize-core>=0.1", *traits.dependencies)
        ),
        "description": traits.description.format(name=name),
        "distribution": f"{PREFIX}{name}",
        "group": traits.group,
        "name": name,
        "package": package,
        "use": traits.use.format(name=name),
    }
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{package}/__init__.py": f"{kind}.py",
        f"tests/test_{package.removeprefix('crystallize_')}.py": f"{kind}_test.py",
    }
    templates = files("crystallize.scaffold") / "templates"
    written = {
        path: Template((templates / f"{source}.txt").read_text(encoding="utf-8")).substitute(values)
        for path, source in sources.items()
    }
    return {**written, f"src/{package}/py.typed": ""}


def _checked_name(name: str) -> str:
    name = name.removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        expected = "lower-case letters, digits and single hyphens, starting with a letter"
        raise InvalidValueError("NAME", name, expected)
    return name
