"""What a class of the user's says, without what Python or a decorator makes of it."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any

SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
"""What stands for a place in an instance, and has no content of its own."""
GENERATED = {
    "__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__",
    "__setattr__", "__delattr__", "__replace__", "__getstate__", "__setstate__", "__new__",
    "_make", "_replace", "_asdict", "__getnewargs__", "_generate_next_value_",
    "__reduce_ex__", "__format__", "__str__", "__annotate__", "__annotate_func__",
}  # fmt: skip
"""What dataclasses, named tuples and enums write; anybody else's is looked at."""
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Names and values of what a class itself defines, in an order that is always the same."""
    fields = vars(cls).get("__dataclass_fields__", {})
    yield from _fields(fields)
    names = vars(cls).get("_fields") if issubclass(cls, tuple) else None
    if names is not None:
        yield from vars(cls).get("_field_defaults", {}).items()
    is_enum = issubclass(cls, Enum)
    if is_enum:
        for name, member in vars(cls)["_member_map_"].items():
            yield name, member._value_
    left_out = {"_fields", "_field_defaults"} if names is not None else set()
    left_out |= {*fields, *(names or ()), *(vars(cls)["_member_map_"] if is_enum else ())}
    generates = bool(fields) or names is not None or is_enum
    for name in sorted(vars(cls)):
        value = vars(cls)[name]
        if name in left_out or isinstance(value, SLOTS) or _is_bookkeeping(name, value):
            continue
        if is_enum and name.startswith("_") and name.endswith("_") and not _is_written(value):
            continue
        if generates and name in GENERATED and not _is_written(value):
            continue
        yield name, value


def shape(cls: type) -> str:
    """What a class says of its attributes as text: their types, validating classes go by them."""
    try:
        types_ = vars(cls).get("__annotations__") or getattr(cls, "__annotations__", {})
    except Exception:
        types_ = {}  # a name in them is not defined, so nobody goes by them
    types_ = types_ if isinstance(types_, dict) else {}
    said = [f"{name}: {_type_name(kind)}" for name, kind in types_.items()]
    for name, field in vars(cls).get("__dataclass_fields__", {}).items():
        flags = (field.init, field.hash, field.compare, field.kw_only is True)
        said.append(f"{name} {flags}")
    if issubclass(cls, tuple):
        said += map(str, vars(cls).get("_fields", ()))
    if issubclass(cls, Enum):
        said += vars(cls)["_member_map_"]
    return ", ".join(said)


def _fields(fields: Any) -> Iterator[tuple[str, Any]]:
    for name, field in fields.items():
        if not _is_missing(field.default):
            yield name, field.default
        elif not _is_missing(field.default_factory):
            yield f"{name} (default_factory)", field.default_factory


def _is_missing(default: Any) -> bool:
    """Whether a field has none; where the class came pickled, so did what says it."""
    return type(default).__qualname__ == "_MISSING_TYPE"


def _is_bookkeeping(name: str, value: Any) -> bool:
    """Whether Python keeps it for itself: dunders, but for methods, and caches of classes."""
    if name in ("_abc_impl", "_abc_registry", "_abc_cache"):
        return True
    return name.startswith("__") and name.endswith("__") and not callable(_inside(value))


def _inside(value: Any) -> Any:
    value = getattr(value, "__func__", value)
    return getattr(value, "__wrapped__", value)


def _is_written(value: Any) -> bool:
    """Whether somebody wrote it in a file, or where no file is."""
    code = getattr(_inside(value), "__code__", None)
    if code is None:
        return False
    file = code.co_filename
    return not (file == "<string>" or file.endswith(("enum.py", "collections/__init__.py")))


def _type_name(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    return ADDRESS.sub("", kind.__qualname__ if isinstance(kind, type) else repr(kind))
