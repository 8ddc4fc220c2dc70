"""From the annotation of an option to the rule for its values."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from crystallize.checks import Faults, Rule, each, flag, number, path, whole_number
from crystallize.errors import InvalidValueError, suggestion
from crystallize.located import folder_of, plain


class Expectation(NamedTuple):
    """What an annotation says of a value.

    Attributes
    ----------
    words : str
        As messages have it: ``a whole number``.
    rule : callable or None
        Gives the value as the annotation wants it; ``None`` where the annotation
        says nothing that can be checked.
    """

    words: str
    rule: Rule[Any] | None


def expectation(annotation: Any) -> Expectation:
    """What an annotation says of a value.

    Examples
    --------
    >>> words, rule = expectation(list[int] | None)
    >>> words
    'a list, each a whole number, or None'
    >>> rule("sizes", [1, 2])
    [1, 2]
    >>> rule("sizes", [1, "many"])
    Traceback (most recent call last):
    crystallize.errors.InvalidValueError: sizes[1]: expected a whole number, got 'many'.
    """
    annotation = _unwrapped(annotation)
    if annotation is Any or annotation is object:
        return Expectation("anything", None)
    origin, args = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, Hashable) and annotation in _PLAIN:
        return _PLAIN[annotation]
    if _is_path(annotation):
        return Expectation("a path", _path)
    if origin is Literal:
        return _among(args, args)
    if origin in (Union, types.UnionType):
        return _one_of(args)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _member(annotation)
    kind = origin or annotation
    if kind in _MAPPINGS:
        return _mapping(*args)
    if kind is tuple and args and args[-1] is not ...:
        return _tuple(args)
    if kind in _COLLECTIONS:
        return _collection(_COLLECTIONS[kind], *args[:1])
    if origin is None and isinstance(annotation, type):
        return _instance(annotation)
    return Expectation(str(annotation), None)


def _unwrapped(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):  # a NewType
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):  # what a `type` statement makes
            annotation = annotation.__value__
        else:
            return annotation


def _is_path(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, os.PathLike)


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(where, value, "text")
    return str(plain(value))


def _path(where: str, value: object) -> Path:
    checked = path(where, value)
    folder = folder_of(value)
    return checked if folder is None else folder / checked


def _nothing(where: str, value: object) -> None:
    if value is not None:
        raise InvalidValueError(where, value, "None")


_PLAIN: Mapping[Any, Expectation] = {
    int: Expectation("a whole number", partial(whole_number, least=None)),
    float: Expectation("a number", number),
    bool: Expectation("True or False", flag),
    str: Expectation("text", _text),
    None: Expectation("None", _nothing),
    type(None): Expectation("None", _nothing),
}
_MAPPINGS: Collection[Any] = {dict, Mapping}
_COLLECTIONS: Mapping[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    Set: frozenset,
    Sequence: list,
    Collection: list,
    Iterable: list,
}
"""What is made of the list that a config has, for each of these."""


def _among(choices: Sequence[Any], results: Sequence[Any]) -> Expectation:
    words = " or ".join(map(repr, choices))
    return Expectation(words, partial(_chosen, choices=choices, results=results, words=words))


def _chosen(
    where: str, value: Any, *, choices: Sequence[Any], results: Sequence[Any], words: str
) -> Any:
    for allowed, result in zip(choices, results, strict=True):
        # True is no 1 here, as it is nowhere.
        if isinstance(value, bool) == isinstance(allowed, bool) and value == allowed:
            return result
    texts = [other for other in choices if isinstance(other, str)]
    hint = suggestion(value, texts) if isinstance(value, str) else ""
    raise InvalidValueError(where, plain(value), words, hint=hint)


def _member(kind: type[Enum]) -> Expectation:
    members = list(kind)
    among = _among([member.value for member in members], members)

    def rule(where: str, value: Any) -> Any:
        assert among.rule is not None
        return value if isinstance(value, kind) else among.rule(where, value)

    return Expectation(among.words, rule)


def _one_of(annotations: Sequence[Any]) -> Expectation:
    # A path first: text would take it, and not look at the folder.
    ordered = sorted(annotations, key=lambda annotation: not _is_path(annotation))
    members = [expectation(annotation) for annotation in ordered if annotation is not type(None)]
    has_none = type(None) in annotations
    words = " or ".join(member.words for member in members)
    if has_none:
        words += ", or None" if "," in words else " or None"
    rules = [member.rule for member in members if member.rule is not None]
    if len(rules) < len(members):  # one of them takes what cannot be checked
        return Expectation(words, None)

    def rule(where: str, value: Any) -> Any:
        if value is None and has_none:
            return None
        if len(rules) == 1:
            return rules[0](where, value)
        for member in rules:
            with suppress(InvalidValueError):
                return member(where, value)
        raise InvalidValueError(where, value, words)

    return Expectation(words, rule)


def _listed(where: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidValueError(where, value, "a list")
    return list(value)


def _collection(make: Callable[[list[Any]], Any], item: Any = Any) -> Expectation:
    words, item_rule = expectation(item)

    def rule(where: str, value: Any) -> Any:
        items = _listed(where, value)
        checked = _checked(where, items, [item_rule or _anything] * len(items))
        try:
            return make(checked)
        except TypeError:  # a set of lists
            raise InvalidValueError(where, value, expected) from None

    expected = f"a list, each {words}" if item_rule else "a list"
    return Expectation(expected, rule)


def _tuple(annotations: Sequence[Any]) -> Expectation:
    members = [expectation(annotation) for annotation in annotations]
    words = f"a list of {len(members)}: {', '.join(member.words for member in members)}"
    rules = [member.rule or _anything for member in members]

    def rule(where: str, value: Any) -> Any:
        items = _listed(where, value)
        if len(items) != len(rules):
            raise InvalidValueError(where, value, words)
        return tuple(_checked(where, items, rules))

    return Expectation(words, rule)


def _checked(where: str, items: Sequence[Any], rules: Sequence[Rule[Any]]) -> list[Any]:
    faults = Faults()
    checked = [
        faults(rule, f"{where}[{index}]", item)
        for index, (item, rule) in enumerate(zip(items, rules, strict=True))
    ]
    faults.raise_any()
    return checked


def _mapping(key: Any = str, item: Any = Any) -> Expectation:
    words, item_rule = expectation(item)
    rule_of_items = item_rule or _anything

    def rule(where: str, value: Any) -> dict[Any, Any]:
        if key is not str:  # of which no config has any
            if not isinstance(value, Mapping):
                raise InvalidValueError(where, value, "a mapping")
            return dict(value)
        return each(rule_of_items)(where, value)

    return Expectation(
        "a mapping of names to values" + (f", each {words}" if item_rule else ""), rule
    )


def _instance(kind: type) -> Expectation:
    name = kind.__name__
    expected = f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"

    def rule(where: str, value: Any) -> Any:
        try:
            fits = isinstance(value, kind)
        except TypeError:  # a protocol that cannot be looked at
            return plain(value)
        if not fits:
            raise InvalidValueError(where, value, expected)
        return value

    return Expectation(expected, rule)


def _anything(where: str, value: Any) -> Any:
    return plain(value)
