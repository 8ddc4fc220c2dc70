"""The options of a plugin: what its factory takes, and what is given held against that."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin

from crystallize.checks import Faults, Rule, problems
from crystallize.errors import InvalidValueError, OptionError, listing, suggestion
from crystallize.installed.annotations import expectation
from crystallize.located import plain

Factory = Callable[..., object]
REQUIRED = inspect.Parameter.empty
"""The default of an option that has none."""


@dataclass(frozen=True)
class DeclaredOption:
    """One option, as the plugin's factory declares it.

    Attributes
    ----------
    name : str
    words : str
        What it may be.
    rule : callable or None
        Checks it, where that can be told.
    default : object
        :data:`REQUIRED`, if it must be given.
    """

    name: str
    words: str
    rule: Rule[Any] | None
    default: object

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED

    @property
    def choices(self) -> tuple[object, ...]:
        """What it may be, where that is one of a few."""
        return tuple(getattr(self.rule, "keywords", {}).get("choices", ()))


@dataclass(frozen=True)
class Declaration:
    """What a factory takes.

    Attributes
    ----------
    options : mapping of str to DeclaredOption
    takes_others : bool
        Whether it takes any other name too: ``**kwargs``.
    holder : (str, callable) or None
        The one parameter that all options go into, and its dataclass.
    """

    options: Mapping[str, DeclaredOption]
    takes_others: bool = False
    holder: tuple[str, Factory] | None = None

    @property
    def required(self) -> list[str]:
        """The options that must be given."""
        return [name for name, option in self.options.items() if option.is_required]

    def arguments(self, options: dict[str, object]) -> dict[str, object]:
        """What the factory is called with, made of checked options."""
        if self.holder is None or not options:
            return options
        parameter, holder = self.holder
        return {parameter: holder(**options)}


def declaration(factory: Factory) -> Declaration:
    """Read what a factory takes from its parameters and their annotations.

    A factory whose only parameter is annotated with a dataclass has the fields of that
    as options.

    Examples
    --------
    >>> def make(path: str, every: int = 10): ...
    >>> declared = declaration(make)
    >>> declared.required, declared.options["every"].words
    (['path'], 'a whole number')
    """
    return _of_class(factory) if isinstance(factory, type) else _read(factory)


@functools.lru_cache(maxsize=128)
def _of_class(factory: type) -> Declaration:
    """That of a class, which every experiment that names it would read anew."""
    return _read(factory)


def _read(factory: Factory) -> Declaration:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return Declaration({}, takes_others=True)  # written in C: it does not say what it takes
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_others = any(p.kind is p.VAR_KEYWORD for p in parameters)
    annotations = {p.name: _evaluated(p.annotation, factory) for p in named}
    if len(named) == 1 and not takes_others:
        (parameter,) = named
        holder = _dataclass_of(annotations[parameter.name])
        if holder is not None:
            inner = declaration(holder)
            return Declaration(inner.options, holder=(parameter.name, holder))
    options = (_option(p, annotations[p.name], factory) for p in named)
    return Declaration({option.name: option for option in options}, takes_others)


def checked_options(
    plugin: str, declared: Declaration, options: Mapping[str, object]
) -> dict[str, object]:
    """The options that are given, each as its annotation wants it.

    Parameters
    ----------
    plugin : str
        What messages call it: ``executor dask (crystallize-dask 1.0)``.
    declared : Declaration
    options : mapping

    Raises
    ------
    OptionError
        At an option that does not exist, is missing, or is of the wrong type.
    InvalidValuesError
        If there is more than one of these; lists them all.
    """
    faults = Faults()
    for name in options:
        faults(_check_exists, plugin, name, declared)
    checked: dict[str, object] = {}
    for name, value in options.items():
        option = declared.options.get(name)
        if option is None or option.rule is None or (value is None and option.default is None):
            checked[name] = plain(value)
            continue
        try:
            checked[name] = option.rule(name, value)
        except InvalidValueError as error:
            faults.found += [refusal(plugin, problem) for problem in problems(error)]
    missing = [name for name in declared.required if name not in options]
    if missing:
        faults.found.append(OptionError(f"The {plugin} needs the option {listing(missing)}."))
    faults.raise_any()
    return checked


def refusal(plugin: str, problem: object) -> OptionError:
    """The error of a plugin that does not take a value."""
    return OptionError(f"The {plugin} refused its options: {problem}")


def _check_exists(plugin: str, name: str, declared: Declaration) -> None:
    if name not in declared.options and not declared.takes_others:
        raise OptionError(
            f"The {plugin} has no option {name!r}.{suggestion(name, declared.options)} "
            f"Its options: {listing(declared.options)}."
        )


def _option(parameter: inspect.Parameter, annotation: Any, factory: Factory) -> DeclaredOption:
    words, rule = expectation(Any if annotation is parameter.empty else annotation)
    # A declared `Option` says more than its annotation.
    own = getattr(inspect.getattr_static(factory, parameter.name, None), "rule", None)
    if callable(own):
        words, rule = _asked(own, parameter.name) or words, own
    default = parameter.default
    if is_dataclass(factory):
        for field in fields(factory):
            if field.name == parameter.name and field.default_factory is not MISSING:
                default = field.default_factory()
    return DeclaredOption(parameter.name, words, rule, default)


def _asked(rule: Rule[Any], name: str) -> str:
    """What a rule expects, in its own words: it says so when it refuses."""
    words = ""
    with suppress(Exception):
        try:
            rule(name, object())
        except InvalidValueError as error:
            words = error.expected
            if rule(name, None) is None:
                words += ", or None" if "," in words else " or None"
    return words


def _dataclass_of(annotation: Any) -> type | None:
    """The dataclass that an annotation names, also where it may be ``None``."""
    candidates = get_args(annotation) if get_origin(annotation) is not None else (annotation,)
    found = [kind for kind in candidates if isinstance(kind, type) and is_dataclass(kind)]
    others = [kind for kind in candidates if kind not in found and kind is not type(None)]
    return found[0] if len(found) == 1 and not others else None


def _evaluated(annotation: Any, factory: Factory) -> Any:
    """An annotation that is text, as ``from __future__ import annotations`` makes it, as a type.

    One by one: what is imported for type checkers alone leaves only itself unchecked.
    """
    if not isinstance(annotation, str):
        return annotation
    for namespace in _namespaces(factory):
        with suppress(Exception):
            evaluated = eval(annotation, namespace)
            # Text in text is a name that its author quoted already.
            return eval(evaluated, namespace) if isinstance(evaluated, str) else evaluated
    return _Unknown(annotation.strip("'\""))


class _Unknown:
    """An annotation that means nothing here."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def _namespaces(factory: Any) -> Iterator[dict[str, Any]]:
    """The modules whose names an annotation may use: a class inherits its parameters."""
    if isinstance(factory, functools.partial):
        yield from _namespaces(factory.func)
        return
    if not isinstance(factory, type) and not inspect.isroutine(factory):
        factory = type(factory)
    if isinstance(factory, type):
        for kind in factory.__mro__:
            if kind.__module__ in sys.modules:
                yield dict(vars(sys.modules[kind.__module__]))
    else:
        function = inspect.unwrap(factory)
        yield dict(getattr(function, "__globals__", {}))
