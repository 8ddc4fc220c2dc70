"""What is put in the place of a config's own values: ``--set``, and options that stand for keys."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from crystallize.checks import Faults, inside
from crystallize.description.grid import ONLY_CONDITION
from crystallize.description.spec import DEFAULT_STRATEGY
from crystallize.description.written import BLANKS, NOTHING, AlmostTomlError, written_value
from crystallize.errors import CrystallizeError, listing, suggestion
from crystallize.spelling import spelled, spelled_key

PART = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\w-]+)"""
KEY = re.compile(rf"\s*({PART}(?:\s*\.\s*{PART})*)\s*=")
EXPECTED = (
    "expected section.key=value, with names that have more than letters, digits, _ and - in "
    "quotes, as in conditions.'v1.5'.n=3"
)

MAY_BE_NEW: Mapping[str, int] = {
    "experiment": 3, "conditions": 3, "hypothesis": 3, "plugins": 3, "aggregation": 4,
}  # fmt: skip
"""How deep in a section an override may give what the file does not, for something else looks
at these names: the section's rules, the function, the plugin.  Elsewhere: 2.  What is in there
is the user's own, of which nobody knows which names are right."""

NAMED_IN_FILE: Mapping[str, Sequence[str]] = {"conditions": [ONLY_CONDITION], "hypothesis": []}
"""Sections of names that only the file makes -> those that there are where it makes none."""

SHORT: Mapping[tuple[str, ...], str] = {("experiment", "retries"): "times"}
"""What may stand for a table, and the key of it that it gives."""


class _Unset:
    """What an override gives that takes a key away."""


UNSET = _Unset()


@dataclass(frozen=True)
class Override:
    """One value that is given beside the file.

    Attributes
    ----------
    parts : tuple of str
        The key: section, and what is in it.
    value : object
        :data:`UNSET` if the key is to be taken away.
    given : str
        As messages call it: ``--set experiment.seed=3``, ``--seed``.
    """

    parts: tuple[str, ...]
    value: Any
    given: str

    @property
    def place(self) -> str:
        """The key as TOML writes it."""
        return _place(self.parts)


@dataclass(frozen=True)
class Origin:
    """An override that was put in its place.

    Attributes
    ----------
    place : str
        The key that it gave.
    created : str
        That, or the section around it that was not there before.
    given : str
        What messages call it.
    """

    place: str
    created: str
    given: str

    def has(self, place: str) -> bool:
        """Whether what is wrong at a place is this override's mistake."""
        is_inside = f"{place}.".startswith(f"{self.place}.")
        is_around = f"{self.place}.".startswith(f"{place}.")
        return is_inside or (is_around and f"{place}.".startswith(f"{self.created}."))


def attributed(problem: str, origins: Sequence[Origin]) -> str:
    """A problem of a config, with the override that is to blame for it in front."""
    place = problem.partition(": ")[0]
    # Of two overrides of one key, the last is in force.
    found = next((f"{o.given}: " for o in reversed(origins) if o.has(place)), "")
    return found + problem


def read_override(text: str) -> Override:
    """What ``--set`` was given.

    Raises
    ------
    CrystallizeError
        If it is not of the form, or its value neither TOML nor plainly text.

    Examples
    --------
    >>> read_override("conditions.'v1.5'.rates=[0.1, 1e-3]").value
    [0.1, 0.001]
    """
    shown = f"--set {text if len(text) <= 100 else text[:97] + '...'}"
    found = KEY.match(text)
    try:
        parts = found and tuple(map(_part, re.findall(PART, found[1])))
    except ValueError:
        parts = None
    if found is None or not parts or "" in parts:
        raise CrystallizeError(f"{shown}: {EXPECTED}")
    key, written = found[1], text[found.end() :]
    if not written:
        return Override(parts, UNSET, shown)
    if not written.strip(BLANKS):
        raise CrystallizeError(f"{shown}: a blank; {_advice(key, NOTHING, written)}")
    try:
        return Override(parts, written_value(written), shown)
    except AlmostTomlError as almost:
        advice = _advice(key, almost.instead, written.strip(BLANKS))
        raise CrystallizeError(f"{shown}: {almost.reason}; {advice}") from None


def _part(written: str) -> str:
    if written[0] not in "\"'":
        return written
    return str(tomllib.loads(f"part = {written}")["part"])


def _advice(key: str, instead: str | None, written: str) -> str:
    def option(value: str) -> str:
        return f"--set {shlex.quote(f'{key}={value}')}"

    as_text = f"for text write {option(spelled(written))}" if len(written) <= 100 else ""
    if instead == NOTHING:
        return f"to unset it write {option('')}, {as_text}"
    if instead is not None and len(instead) <= 100:
        return ", ".join(filter(None, [f"write {option(instead)}", as_text]))
    return as_text or "text goes in quotes"


def apply_overrides(
    content: dict[str, Any], overrides: Iterable[Override], faults: Faults
) -> list[Origin]:
    """Put each override in its place, in order.

    Another strategy than the file's takes none of the options that the file has.
    """
    given = list(overrides)
    _drop_options_of_another(content, given)
    origins = (faults(_put, content, override) for override in given)
    return [origin for origin in origins if origin is not None]


def refuse_doubles(options: Sequence[Override], overrides: Sequence[Override]) -> None:
    """Refuse an option of the command whose key is overridden too.

    Raises
    ------
    CrystallizeError
    """
    for option in options:
        for other in overrides:
            shorter = min(len(option.parts), len(other.parts))
            if option.parts[:shorter] == other.parts[:shorter]:
                raise CrystallizeError(
                    f"{option.given} and {other.given}: both say what {option.place} is; "
                    "give one of them."
                )


def _drop_options_of_another(content: dict[str, Any], overrides: Sequence[Override]) -> None:
    section = content.get("execution")
    if not isinstance(section, dict):
        return
    file_s = section.get("strategy", DEFAULT_STRATEGY)
    wanted = file_s
    for override in overrides:
        if override.parts == ("execution", "strategy"):
            wanted = DEFAULT_STRATEGY if override.value is UNSET else override.value
    if wanted != file_s:
        content["execution"] = {key: section[key] for key in section if key == "strategy"}


def _put(content: dict[str, Any], override: Override) -> Origin:
    parts = override.parts
    if len(parts) == 1 and parts[0] not in content and override.value is UNSET:
        raise _nothing_there(override, 0, content)
    tables = dict | _Unset | list if parts[0] == "grid" else dict | _Unset
    if len(parts) == 1 and not isinstance(override.value, tables):
        raise CrystallizeError(f"{override.given}: {EXPECTED}")
    section, created = content, len(parts)
    for depth, part in enumerate(parts[:-1], start=1):
        if part not in section:
            _refuse_new(override, depth, section, content)
            section[part], created = {}, min(created, depth)
        if parts[:depth] in SHORT and not isinstance(section[part], dict):
            section[part] = {SHORT[parts[:depth]]: section[part]}
        if not isinstance(section[part], dict):
            several = f"; several are given as a whole, {part}=[{{…}}, {{…}}]"
            advice = several if isinstance(section[part], list) else ""
            raise CrystallizeError(f"{override.given}: {part!r} is not a section{advice}")
        # A copy: an alias in YAML makes two keys one object.
        section[part] = section = dict(section[part])
    if parts[-1] not in section:
        _refuse_new(override, len(parts), section, content)
    if override.value is UNSET:
        del section[parts[-1]]
        if len(parts) == 2 and not section:
            del content[parts[0]]
    else:
        section[parts[-1]] = override.value
    return Origin(override.place, _place(parts[:created]), override.given)


def _refuse_new(
    override: Override, depth: int, section: Mapping[Any, Any], content: Mapping[str, Any]
) -> None:
    """Refuse to make a name that nothing else looks at: it may be a misspelt one."""
    parts = override.parts
    if override.value is UNSET:
        is_whole = depth == len(parts)
        advice = f"Empty text is written {override.place}=''." if is_whole else ""
        raise _nothing_there(override, depth - 1, section, advice)
    if depth == 2 and parts[0] in NAMED_IN_FILE:
        if parts[0] == "conditions" and "grid" in content:
            raise CrystallizeError(
                f"{override.given}: the conditions are those of [grid], which can be overridden "
                "by --set grid.PARAMETER=[…]"
            )
        there = section or NAMED_IN_FILE[parts[0]]
        if section or parts[1] not in there:
            advice = f"New ones are given in the file, or all together as {parts[0]}={{…}}."
            raise _nothing_there(override, 1, there, advice)
    elif depth + (depth < len(parts)) > MAY_BE_NEW.get(parts[0], 2):
        whole = min(depth, MAY_BE_NEW.get(parts[0], 2))
        advice = f"What is new there is given as a whole: {_place(parts[:whole])}={{…}}."
        raise _nothing_there(override, depth - 1, section, advice)


def _nothing_there(
    override: Override, index: int, known: Iterable[Any], advice: str = ""
) -> CrystallizeError:
    names = [name for name in known if isinstance(name, str)]
    part = override.parts[index]
    return CrystallizeError(
        f"{override.given}: {_place(override.parts[: index + 1])} is not there."
        f"{suggestion(part, names)} Known: {listing(names)}.{' ' * bool(advice)}{advice}"
    )


def _place(parts: Sequence[str]) -> str:
    return reduce(inside, parts[1:], spelled_key(parts[0]))
