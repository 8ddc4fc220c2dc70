# ruff: noqa: E501 - programs are easier to read in one line
"""Programs that reach one number in many ways: every route to every carrier of it."""

from __future__ import annotations

import ast
from pathlib import Path

PREAMBLE = """
import array, collections, dataclasses, datetime, decimal, enum, fractions, functools, operator, typing
import numpy as np, pandas as pd
from pathlib import Path
class Plain:
    def __init__(self, x):
        self.x = x
        self.name = "plain"
    def times(self, y):
        return self.x * y
    def __call__(self):
        return self.x
class Slotted:
    __slots__ = ("x",)
    def __init__(self, x):
        self.x = x
@dataclasses.dataclass
class Config:
    x: int
    rest: list = dataclasses.field(default_factory=list)
class Point(typing.NamedTuple):
    x: float
    y: float = 0.0
def made(x):
    def inner():
        return x
    return inner
def cyclic(x):
    items = [x]
    items.append({"again": items})
    return items
"""

# A carrier holds {v}, a whole number from 1 to 9.
CARRIERS = {
    "int": "{v}",
    "float": "{v}.5",
    "bool or int": "[True, 1][{v} % 2]",
    "sign of zero": "[0.0, -0.0][{v} % 2]",
    "text": "'text {v}'",
    "bytes": "b'{v}'",
    "complex": "{v}j",
    "list": "[0, {v}]",
    "nested tuple": "(0, (1, ({v},)))",
    "dict": "{{'a': {v}, 'b': 0}}",
    "key of a dict": "{{{v}: 0, (1, 2): 1, None: 2}}",
    "set": "{{'a', 'b', 'c', 'd', '{v}'}}",
    "set of tuples": "{{('a', 1), ('b', {v})}}",
    "frozenset": "frozenset(['x', 'y', {v}])",
    "array": "np.array([0.0, {v}])",
    "dtype": "np.zeros(3, dtype=['i4', 'f4'][{v} % 2])",
    "shape": "np.zeros([(2, 3), (3, 2)][{v} % 2])",
    "array in a list": "[[np.arange(3)], np.arange({v})]",
    "object array": "np.array([None, {v}, 'a'], dtype=object)",
    "NumPy scalar": "np.float32({v})",
    "frame": "pd.DataFrame({{'x': [0, {v}], 'y': ['a', 'b']}})",
    "frame in a dict": "{{'train': pd.DataFrame({{'x': [0, 1], 'y': ['a', 'b{v}']}})}}",
    "index of a frame": "pd.DataFrame({{'x': [0, 1]}}, index=['a', 'b{v}'])",
    "categories": "pd.Series(['a', 'b{v}'], dtype='category')",
    "times": "pd.Series(pd.to_datetime(['2000-01-0{v}']))",
    "nullable": "pd.Series([1, None, {v}], dtype='Int64')",
    "enum": "enum.Enum('Kind', {{'A': {v}}}).A",
    "date": "datetime.date(2000, 1, {v})",
    "time zone": "datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone(datetime.timedelta({v} / 99)))",
    "decimal": "decimal.Decimal('1.{v}')",
    "fraction": "fractions.Fraction(1, {v} + 1)",
    "path": "Path('data') / '{v}.csv'",
    "range": "range({v})",
    "object": "Plain({v})",
    "object in an object": "Plain(Plain([{v}]))",
    "slots": "Slotted({v})",
    "dataclass": "Config({v})",
    "named tuple": "Point(1.0, {v})",
    "partial": "functools.partial(operator.mul, {v})",
    "bound method": "Plain({v}).times",
    "bound method of C": "[0, {v}].index",
    "callable object": "Plain({v})",
    "lambda": "lambda x: x + {v}",
    "lambda in a list": "[lambda x: x, lambda x: x + {v}]",
    "closure": "made({v})",
    "closures in a tuple": "(made(1), made({v}))",
    "cycle": "cyclic({v})",
    "deque": "collections.deque([{v}], maxlen=3)",
    "defaultdict": "collections.defaultdict(list, a={v})",
    "OrderedDict": "collections.OrderedDict(a={v})",
    "Counter": "collections.Counter(['a'] * {v})",
    "array.array": "array.array('d', [{v}])",
    "cached function": "functools.lru_cache(made({v}))",
    "class": "type('Made', (), {{'x': {v}}})",
}

# A route leads from `trial` to {c}; what comes after a line of dashes is another module.
ROUTES = {
    "global": "THING = {c}\ndef trial():\n    return THING",
    "default": "def trial(thing={c}):\n    return thing",
    "keyword default": "def trial(*, thing={c}):\n    return thing",
    "closure": "def make():\n    thing = {c}\n    def trial():\n        return thing\n    return trial\ntrial = make()",
    "helper": "THING = {c}\ndef helper():\n    return THING\ndef trial():\n    return helper()",
    "helper's default": "def helper(thing={c}):\n    return thing\ndef trial():\n    return helper()",
    "lambda's default": "helpers = [lambda thing={c}: thing]\ndef trial():\n    return helpers[0]()",
    "nested function": "THING = {c}\ndef trial():\n    def inner():\n        return [THING for _ in (1, 2)]\n    return inner()",
    "class in the function": "THING = {c}\ndef trial():\n    class Inner:\n        x = THING\n    return Inner.x",
    "class attribute": "class Model:\n    thing = {c}\n    def value(self):\n        return self.thing\ndef trial():\n    return Model().value()",
    "inherited attribute": "class Base:\n    thing = {c}\nclass Model(Base):\n    pass\ndef trial():\n    return Model().thing",
    "inherited method": "THING = {c}\nclass Base:\n    def value(self):\n        return THING\nclass Model(Base):\n    pass\ndef trial():\n    return Model().value()",
    "property": "THING = {c}\nclass Model:\n    @property\n    def value(self):\n        return THING\ndef trial():\n    return Model().value",
    "cached property": "THING = {c}\nclass Model:\n    @functools.cached_property\n    def value(self):\n        return THING\ndef trial():\n    return Model().value",
    "static method": "THING = {c}\nclass Model:\n    @staticmethod\n    def value():\n        return THING\ndef trial():\n    return Model.value()",
    "class method": "class Model:\n    thing = {c}\n    @classmethod\n    def value(cls):\n        return cls.thing\ndef trial():\n    return Model.value()",
    "dataclass factory": "@dataclasses.dataclass\nclass Model:\n    thing: object = dataclasses.field(default_factory=lambda: {c})\ndef trial():\n    return Model().thing",
    "object": "model = Plain({c})\ndef trial():\n    return model.x",
    "callable object": "trial = Plain({c})",
    "bound method": "trial = Plain({c}).__call__",
    "partial": "def inner(thing):\n    return thing\ntrial = functools.partial(inner, thing={c})",
    "cached function": "THING = {c}\n@functools.cache\ndef helper():\n    return THING\ndef trial():\n    return helper()",
    "decorator": "THING = {c}\ndef decorated(function):\n    @functools.wraps(function)\n    def wrapper():\n        return function(), THING\n    return wrapper\n@decorated\ndef trial():\n    return 1",
    "decorator's argument": "def decorated(thing):\n    def with_it(function):\n        def wrapper():\n            return function(), thing\n        return wrapper\n    return with_it\n@decorated({c})\ndef trial():\n    return 1",
    "decorated": "THING = {c}\ndef decorated(function):\n    @functools.wraps(function)\n    def wrapper():\n        return function()\n    return wrapper\n@decorated\ndef trial():\n    return THING",
    "function attribute": "def trial():\n    return trial.thing\ntrial.thing = {c}",
    "dispatch": "THING = {c}\n@functools.singledispatch\ndef helper(x):\n    return 0\n@helper.register\ndef _(x: int):\n    return THING\ndef trial():\n    return helper(1)",
    "metaclass": "THING = {c}\nclass Meta(type):\n    def value(cls):\n        return THING\nclass Model(metaclass=Meta):\n    pass\ndef trial():\n    return Model.value()",
    "descriptor": "class Given:\n    def __init__(self, thing):\n        self.thing = thing\n    def __get__(self, owner, kind):\n        return self.thing\nclass Model:\n    thing = Given({c})\ndef trial():\n    return Model().thing",
    "generator expression": "THING = {c}\ndef trial():\n    return list(THING for _ in range(3))",
    "module attribute": "import {m}_helper\ndef trial():\n    return {m}_helper.THING\n---\nTHING = {c}",
    "imported name": "from {m}_helper import THING\ndef trial():\n    return THING\n---\nTHING = {c}",
    "imported function": "from {m}_helper import helper as other\ndef trial():\n    return other()\n---\nTHING = {c}\ndef helper():\n    return THING",
    "helper of a helper": "import {m}_helper as h\ndef trial():\n    return h.first()\n---\nTHING = {c}\ndef first():\n    return second()\ndef second():\n    return THING",
    "import in the function": "def trial():\n    import {m}_helper\n    return {m}_helper.helper()\n---\nTHING = {c}\ndef helper():\n    return THING",
    "name imported in the function": "def trial():\n    from {m}_helper import THING as x\n    return x\n---\nTHING = {c}",
    "module in hand": "import {m}_helper\ndef trial():\n    return getattr({m}_helper, 'THING')\n---\nTHING = {c}",
    "module in a closure": "import {m}_helper\ndef make(module):\n    return lambda: module.THING\ntrial = make({m}_helper)\n---\nTHING = {c}",
    "code": "def trial():\n    return {c}",
    "code of a lambda": "trial = lambda: {c}",
    "coroutine": "async def trial():\n    return {c}",
}


def modules(value: int) -> dict[str, str]:
    """Name -> source of every program of the family, with one number in all of them."""
    made = {}
    for route_number, text in enumerate(ROUTES.values()):
        for carrier_number, expression in enumerate(CARRIERS.values()):
            # Every carrier by the first route, every route with some carriers.
            if route_number and (route_number + carrier_number) % 13 and carrier_number:
                continue
            name = f"m{route_number}_{carrier_number}"
            filled = text.format(c=expression.format(v=value), m=name)
            first, *other = (f"{PREAMBLE}\n{part}\n" for part in filled.split("\n---\n"))
            made[name] = first
            if other:
                made[f"{name}_helper"] = other[0]
    return made


def kind_of(name: str) -> str:
    """What a module of the family shows."""
    route, carrier = (int(number) for number in name[1:].split("_"))
    return f"{list(CARRIERS)[carrier]} by {list(ROUTES)[route]}"


def write(folder: Path, sources: dict[str, str]) -> None:
    """Write modules where a program can import them."""
    folder.mkdir()
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


def laid_out_anew(source: str) -> str:
    """The same code, with other comments, docstrings and line breaks."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.body.insert(0, ast.Expr(ast.Constant("What it is for.")))
    lines = ast.unparse(ast.fix_missing_locations(tree)).splitlines()
    return '"""A module."""\n\n# A remark.\n' + "\n\n".join(f"{line}  # why" for line in lines)
