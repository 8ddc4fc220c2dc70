"""What a walk comes to: a digest, with what is behind it by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from crystallize.contracts import named_tuple
from crystallize.description.fingerprint.tokens import joined
from crystallize.errors import InvalidValueError


class Part(NamedTuple):
    """One thing that a function or a condition reaches.

    Attributes
    ----------
    name : str
        How messages name it: ``helper.scale``, ``global `K```, ``condition 'a', `data```.
    digest : str
        Of its own content; what it names in turn are other parts.
    shown : str or None
        A small value as text.
    where : str or None
        File and line, as in ``helper.py:3``.
    condition : str or None
        The condition that it belongs to; ``None`` if it is not of one alone.
    """

    name: str
    digest: str
    shown: str | None = None
    where: str | None = None
    condition: str | None = None

    @property
    def quoted(self) -> str:
        """The name inside a sentence."""
        return self.name if "`" in self.name or "'" in self.name else f"`{self.name}`"


Row = tuple[str, str, str | None, str | None, str | None]
"""A part as a plain tuple, of which very many weigh little."""


class Parts(Mapping[str, Part]):
    """Parts by name, sorted.

    Parameters
    ----------
    rows : iterable of Row
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {row[0]: row for row in sorted(rows, key=itemgetter(0))}

    def of(self, conditions: Collection[str]) -> Parts:
        """Those that are of no condition alone, or of one of these."""
        return Parts(row for row in self.rows.values() if row[4] is None or row[4] in conditions)

    def __or__(self, others: Parts) -> Parts:
        """These and others, which count where both have one."""
        return Parts((self.rows | others.rows).values())

    def with_digests(self, digests: Mapping[str, str]) -> Parts:
        """The same, some of them with another digest."""
        changed = (
            (name, digest, *self.rows[name][2:])
            for name, digest in digests.items()
            if name in self.rows
        )
        return self | Parts(changed) if digests else self

    def __getitem__(self, name: str) -> Part:
        part: Part = named_tuple(Part, self.rows[name])
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """All that determines a number, as far as it can be known.

    Attributes
    ----------
    parts : Parts
    unknown : tuple of str
        What has no content that could be known, with the reason.
    versions : mapping of str to str
        Of Python and the distributions that were reached; not part of the digest.
    generators : tuple of str
        The random generators that were reached, by name.
    written : frozenset of str
        The parts that code changes which reaches them; not recorded.
    """

    parts: Parts
    unknown: tuple[str, ...] = ()
    versions: Mapping[str, str]
    generators: tuple[str, ...] = ()
    written: frozenset[str] = field(default=frozenset(), compare=False)

    @cached_property
    def digest(self) -> str:
        """Of all parts."""
        return joined(
            "fingerprint",
            (text.encode() for row in self.parts.rows.values() for text in row[:2]),
        ).hex()

    def record(self) -> dict[str, Any]:
        """It as data that JSON has."""
        return {
            "digest": self.digest,
            "parts": list(map(list, self.parts.rows.values())),
            "unknown": list(self.unknown),
            "versions": dict(self.versions),
            "generators": list(self.generators),
        }

    @classmethod
    def from_record(cls, record: Any) -> Fingerprint:
        """What :meth:`record` gave, read back from somewhere.

        Raises
        ------
        InvalidValueError
            If it is something else, or its digest is not that of its parts.
        """
        if not (_has_fields(record) and _fits(record)):
            raise InvalidValueError("fingerprint", record, "what Fingerprint.record() gives")
        made = cls(
            parts=Parts(map(tuple, record["parts"])),
            unknown=tuple(record["unknown"]),
            versions=dict(record["versions"]),
            generators=tuple(record["generators"]),
        )
        if made.digest != record["digest"]:
            raise InvalidValueError(
                "fingerprint.digest", record["digest"], f"the digest of its parts, {made.digest}"
            )
        return made

    @staticmethod
    def heading(record: Any, conditions: Collection[str]) -> tuple[str, dict[str, str]] | None:
        """The digest and the versions of a record, ``None`` if it is of other conditions too.

        Its parts are not read, nor is its digest compared with theirs.

        Raises
        ------
        InvalidValueError
            If it is no record.
        """
        if not (_has_fields(record) and _texts_fit(record)):
            raise InvalidValueError("fingerprint", record, "what Fingerprint.record() gives")
        if not all(row[4] is None or row[4] in conditions for row in record["parts"]):
            return None
        return record["digest"], dict(record["versions"])

    def differences(self, earlier: Fingerprint) -> list[str]:
        """A sentence for each part that differs; none where both mean the same numbers.

        More or fewer conditions are no difference, nor is what only these reach.
        """
        found = [text for part in self.parts.values() for text in _change(part, earlier)]
        if not found:
            return []
        # What led to these changed too; they only help to see what happened.
        found += [f"{part.quoted} is new" for part in _only(self, earlier)]
        found += [f"{part.quoted} is no longer used" for part in _only(earlier, self)]
        return found

    def unlike(self, other: Fingerprint, here: str, there: str) -> list[str]:
        """A sentence for each part that is not the same in two places at one time.

        What code changes as it runs is left out, as are parts that only one has: nothing
        depends on them unless something else differs.
        """
        changing = self.written | other.written
        found = []
        for name, part in self.parts.items():
            its = other.parts.get(name, part)
            if its.digest == part.digest or name in changing:
                continue
            if part.shown is None or its.shown is None or part.shown == its.shown:
                found.append(f"{part.quoted} is not the same {here} and {there}")
            else:
                found.append(f"{part.quoted} is {part.shown} {here} and {its.shown} {there}")
        return found

    def changed_versions(self, earlier: Fingerprint) -> list[str]:
        """A sentence for each version that is another one now."""
        return [
            f"{name} {earlier.versions[name]}, now {version}"
            for name, version in self.versions.items()
            if earlier.versions.get(name, version) != version
        ]


_FIELDS = {"digest", "parts", "unknown", "versions", "generators"}


def _change(part: Part, earlier: Fingerprint) -> Iterator[str]:
    before = earlier.parts.get(part.name)
    if before is None or before.digest == part.digest:
        return
    if before.shown is not None and part.shown is not None and before.shown != part.shown:
        yield f"{part.quoted}: {before.shown}, now {part.shown}"
    else:
        yield f"{part.quoted} changed" + (f" ({part.where})" if part.where else "")


def _only(one: Fingerprint, other: Fingerprint) -> list[Part]:
    """The parts that only one has, though both have their condition."""
    conditions = {part.condition for part in other.parts.values()} | {None}
    return [
        part
        for name, part in one.parts.items()
        if name not in other.parts and part.condition in conditions
    ]


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _has_fields(record: Any) -> bool:
    return _is_table(record) and set(record) == _FIELDS


def _texts_fit(record: Any) -> bool:
    texts = [record["digest"], *record["unknown"]] if isinstance(record["unknown"], list) else [0]
    texts += record["generators"] if isinstance(record["generators"], list) else [0]
    texts += record["versions"].values() if _is_table(record["versions"]) else [0]
    return all(isinstance(text, str) for text in texts)


def _fits(record: Any) -> bool:
    rows = record["parts"]
    return (
        _texts_fit(record)
        and isinstance(rows, list)
        and all(isinstance(row, list) and len(row) == 5 for row in rows)
        and all(isinstance(text, str) for row in rows for text in row[:2])
        and all(isinstance(text, str | None) for row in rows for text in row[2:])
        and len({row[0] for row in rows}) == len(rows)
    )
