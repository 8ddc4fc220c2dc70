"""What a plugin's factory takes is what its options may be, in the words of everything else."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, Union

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.checks import whole_number
from crystallize.errors import InvalidValueError, InvalidValuesError, OptionError, PluginLoadError
from crystallize.installed.annotations import expectation
from crystallize.installed.loading import constructed
from crystallize.installed.options import declaration
from crystallize.located import located
from crystallize.plugins import Option


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


Metres = NewType("Metres", float)


def checked(annotation, value):
    rule = expectation(annotation).rule
    return value if rule is None else rule("x", value)


@pytest.mark.parametrize(
    ("annotation", "given", "taken"),
    [
        (int, 3, 3),
        (int, -3, -3),
        (int, np.int64(3), 3),
        (float, 3, 3.0),
        (float, np.float32(0.5), 0.5),
        (bool, True, True),
        (str, "", ""),
        (Path, "a/b", Path("a/b")),
        (Path, Path("a"), Path("a")),
        (str | Path, "a", Path("a")),
        (Optional[int], None, None),  # noqa: UP045
        (Union[int, str], "a", "a"),  # noqa: UP007
        (int | float, 3, 3),
        (int | float, 0.5, 0.5),
        (Literal["t", 1, None], 1, 1),
        (list[int], [1, 2], [1, 2]),
        (list, ["a"], ["a"]),
        (list[Path], ["a"], [Path("a")]),
        (Sequence[float], (1, 2), [1.0, 2.0]),
        (tuple[float, ...], [1, 2], (1.0, 2.0)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[str], ["a", "a"], {"a"}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, Any], {"a": []}, {"a": []}),
        (Annotated[int, "seconds"], 3, 3),
        (Metres, 2, 2.0),
        (Colour, "red", Colour.RED),
        (Colour, Colour.BLUE, Colour.BLUE),
        (datetime.date, datetime.date(2026, 1, 2), datetime.date(2026, 1, 2)),
        (Any, "anything", "anything"),
        (object, 3, 3),
        (type[int], "unchecked", "unchecked"),
    ],
)
def test_a_value_that_fits_is_given_as_the_annotation_says(annotation, given, taken):
    found = checked(annotation, given)
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("annotation", "given", "says"),
    [
        (int, "3", "x: expected a whole number, got '3'."),
        (int, True, "x: expected a whole number, got True."),
        (int, 3.0, "x: expected a whole number, got 3.0."),
        (float, "3", "x: expected a number, got '3'."),
        (float, False, "x: expected a number, got False."),
        (bool, 1, "x: expected True or False, got 1."),
        (str, 1, "x: expected text, got 1."),
        (Path, 1, "x: expected a path, got 1."),
        (Path, "", "x: expected a path, got ''."),
        (int | None, "a", "x: expected a whole number, got 'a'."),
        (int | str | None, [], "x: expected a whole number or text or None, got []."),
        (
            Literal["up", "down"],
            "upp",
            "x: expected 'up' or 'down', got 'upp'. Did you mean 'up'?",
        ),
        (Literal[1, 2], True, "x: expected 1 or 2, got True."),
        (list[int], "12", "x: expected a list, got '12'."),
        (list[int], ["a"], "x[0]: expected a whole number, got 'a'."),
        (tuple[int, str], [1], "x: expected a list of 2: a whole number, text, got [1]."),
        (set[Any], [[]], "x: expected a list, got [[]]."),
        (dict[str, int], {"a b": "c"}, "x.'a b': expected a whole number, got 'c'."),
        (dict, 3, "x: expected a mapping of names to values, got 3."),
        (Colour, "rd", "x: expected 'red' or 'blue', got 'rd'. Did you mean 'red'?"),
        (datetime.date, "today", "x: expected a date, got 'today'."),
        (np.ndarray, [1], "x: expected a ndarray, got [1]."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_the_usual_words(annotation, given, says):
    with pytest.raises(InvalidValueError) as caught:
        checked(annotation, given)
    assert str(caught.value) == says


def test_a_path_of_a_config_is_beside_it_and_one_of_a_program_is_not(tmp_path):
    from_file = located({"one": "a", "many": ["b"], "text": "c"}, tmp_path)
    assert checked(Path, from_file["one"]) == tmp_path / "a"
    assert checked(str | Path | None, from_file["one"]) == tmp_path / "a"
    assert checked(list[Path], from_file["many"]) == [tmp_path / "b"]
    assert checked(Path, located("/absolute", tmp_path)) == Path("/absolute")
    assert checked(Path, "a") == Path("a")
    for annotation in (str, Literal["c"]):
        assert type(checked(annotation, from_file["text"])) is str


def test_everything_wrong_with_options_is_said_at_once():
    def make(size: int, label: str, *, depth: int = 1, order: Literal["up", "down"] = "up"): ...

    with pytest.raises(InvalidValuesError) as caught:
        constructed("observer x (d 1)", make, {"size": "a", "ordr": "up", "depth": 1.5})
    assert caught.value.problems == (
        "The observer x (d 1) has no option 'ordr'. Did you mean 'order'? "
        "Its options: 'size', 'label', 'depth', 'order'.",
        "The observer x (d 1) refused its options: size: expected a whole number, got 'a'.",
        "The observer x (d 1) refused its options: depth: expected a whole number, got 1.5.",
        "The observer x (d 1) needs the option 'label'.",
    )


def test_one_fault_is_an_option_error():
    def make(size: int = 3): ...

    with pytest.raises(OptionError, match="size: expected a whole number, got 'a'"):
        constructed("executor x", make, {"size": "a"})


@dataclass(frozen=True)
class Settings:
    path: Path
    every: int = 10
    tags: list[str] = field(default_factory=lambda: ["all"])


def test_the_fields_of_a_dataclass_are_the_options():
    class Tracker:
        def __init__(self, settings: Settings) -> None:
            self.settings = settings

    built: Any = constructed("observer x", Tracker, {"path": "log", "every": 2})
    assert built.settings == Settings(Path("log"), 2)
    declared = declaration(Tracker)
    assert declared.required == ["path"]
    assert declared.options["every"].default == 10
    with pytest.raises(OptionError, match=r"no option 'evry'\. Did you mean 'every'\?"):
        constructed("observer x", Tracker, {"path": "log", "evry": 2})
    with pytest.raises(OptionError, match="needs the option 'path'"):
        constructed("observer x", Tracker, {})


def test_a_dataclass_that_need_not_be_given_is_left_to_the_factory():
    def make(settings: Settings | None = None):
        return settings

    assert constructed("observer x", make, {"path": "a"}) == Settings(Path("a"))


BASE = """
from __future__ import annotations
from dataclasses import dataclass, field
from pathlib import Path
@dataclass
class Base:
    path: Path = Path("log")
    tags: list[str] = field(default_factory=lambda: ["all"])
"""
DERIVED = """
from __future__ import annotations
from dataclasses import dataclass
from base_dist import Base
@dataclass
class Derived(Base):
    size: int = 1
"""


def test_a_plugin_may_be_a_dataclass_whose_base_is_in_another_module(distribution):
    distribution("base-dist", {}, BASE)
    distribution("derived-dist", {}, DERIVED)
    from derived_dist import Derived  # type: ignore[import-not-found]

    options = declaration(Derived).options
    words = {name: option.words for name, option in options.items()}
    assert words == {"path": "a path", "tags": "a list, each text", "size": "a whole number"}
    assert options["tags"].default == ["all"]


def test_what_a_type_checker_alone_can_resolve_leaves_only_itself_unchecked():
    def make(client: NotImported, size: int = 1): ...  # type: ignore[name-defined] # noqa: F821

    declared = declaration(make)
    assert declared.options["client"].words == "NotImported"
    assert declared.options["client"].rule is None
    with pytest.raises(OptionError, match="size: expected a whole number"):
        constructed("observer x", make, {"client": object(), "size": "a"})


def test_the_rule_of_a_declared_option_comes_before_its_annotation():
    class Choosy:
        size = Option(whole_number)

        def __init__(self, size: Any = 1) -> None:
            self.size = size

    assert declaration(Choosy).options["size"].words == "a whole number, 0 or more"
    with pytest.raises(OptionError, match="size: expected a whole number, 0 or more, got -1"):
        constructed("executor x", Choosy, {"size": -1})


def test_a_default_of_none_may_be_given_whatever_the_annotation():
    def make(size: int = None):  # type: ignore[assignment]  # noqa: RUF013
        return [size]

    assert constructed("observer x", make, {"size": None}) == [None]


def test_what_a_factory_says_itself_is_said():
    class Ours(Exception): ...

    def refuses(size: int):
        raise ValueError("size must be even")

    def breaks(size: int):
        raise Ours("no luck")

    with pytest.raises(OptionError, match="observer x refused its options: size must be even"):
        constructed("observer x", refuses, {"size": 1})
    with pytest.raises(PluginLoadError, match="observer x could not be constructed: Ours: no luck"):
        constructed("observer x", breaks, {"size": 1})


def test_other_names_go_to_a_factory_that_takes_them():
    def make(size: int = 1, **rest):
        return size, rest

    assert constructed("observer x", make, {"size": 2, "other": "a"}) == (2, {"other": "a"})


def test_a_factory_written_in_c_is_asked_by_calling_it():
    assert constructed("observer x", dict, {"a": 1}) == {"a": 1}


def test_every_option_of_every_strategy_is_held_against_its_rule_at_once():
    with pytest.raises(InvalidValuesError) as caught:
        Experiment(
            lambda: 1.0,
            execution="parallel",
            execution_options={"max_workers": "two", "executor_type": "proces", "progres": True},
        )
    assert len(caught.value.problems) == 3
    assert "executor_type: expected 'thread' or 'process', got 'proces'. Did you" in str(
        caught.value
    )
