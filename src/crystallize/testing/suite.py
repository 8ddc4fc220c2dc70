"""What all suites have: tests that are there where they apply, and what several look at."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pytest

from crystallize.testing.watching import within

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., None])


def where(condition: Callable[[Any], bool], what: str) -> Callable[[Test], Test]:
    """Make a test one that applies only where a condition holds.

    Parameters
    ----------
    condition : callable
        Takes what is known of the plugin: a suite's ``facts``.
    what : str
        What it asks for, in words.
    """

    def marked(test: Test) -> Test:
        @functools.wraps(test)
        def checked(suite: Suite, *arguments: Any, **options: Any) -> None:
            if not condition(suite.facts):
                pytest.skip(f"only for {what}")
            test(suite, *arguments, **options)

        checked.applies_where = condition  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return marked


class Suite:
    """Tests of a plugin; override :meth:`make`.

    A test that does not apply is not there: the plugin says what it can do when the
    class is made.  Where it cannot be made so early, because :meth:`make` needs a
    fixture, the test is skipped.  One that a subclass sets to ``None`` is not there
    either, nor in what is derived from that.

    Attributes
    ----------
    patience : float
        Seconds after which something hangs.
    """

    patience: float = 30.0
    folder: Path
    """Where a test has its files; workers must see it."""
    _left_out: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        try:
            suite = cls()
            facts = suite.known(suite.example())
        except Exception:
            return  # make() is still to come, needs a fixture, or fails, as the tests will say
        left_out = set()
        for name in sorted({name for base in cls.__mro__ for name in vars(base)}):
            test = _defined(cls, name)
            condition = getattr(test, "applies_where", None)
            if condition is None:
                continue
            if condition(facts):
                setattr(cls, name, test)
            else:
                setattr(cls, name, None)
                left_out.add(name)
        cls._left_out = frozenset(left_out)

    def make(self) -> Any:
        """A new plugin."""
        raise NotImplementedError("override make() to give a new plugin")

    def example(self) -> Any:
        """A plugin that can do what that of :meth:`make` can, which is not run.

        Override it where :meth:`make` needs a fixture.
        """
        return self.make()

    def known(self, plugin: Any) -> Any:
        """What tests may depend on."""
        return plugin

    @cached_property
    def facts(self) -> Any:
        """What is known of the plugin, by which tests apply."""
        return self.known(self.make())

    @pytest.fixture(autouse=True)
    def _names(self, request: pytest.FixtureRequest) -> None:
        """Tell evidence apart that was gathered under different parameters of fixtures."""
        callspec = getattr(request.node, "callspec", None)
        own = {mark.args[0] for mark in request.node.iter_markers("parametrize")}
        shared = {} if callspec is None else callspec.params
        self._shared = repr({name: value for name, value in shared.items() if name not in own})

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    _shared = ""

    def evidence(self, what: str, gather: Callable[[], T]) -> T:
        """What several tests look at: gathered by the first of them, within :attr:`patience`."""
        kept: dict[Any, Any] = type(self).__dict__.get("_evidence", {})
        if "_evidence" not in type(self).__dict__:
            type(self)._evidence = kept  # type: ignore[attr-defined]
        key = what, self._shared
        if key not in kept:
            try:
                kept[key] = self.within(gather), None
            except Exception as error:
                kept[key] = None, error
        found, problem = kept[key]
        if problem is not None:
            raise problem
        return found  # type: ignore[no-any-return]

    def within(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function gives, which fails the test where it hangs."""
        return within(self.patience, function, *arguments)


def _defined(cls: type, name: str) -> Any:
    """What a class has under a name, also where it did not apply to a class between."""
    for base in cls.__mro__:
        if name in vars(base) and name not in vars(base).get("_left_out", ()):
            return vars(base)[name]
    return None
