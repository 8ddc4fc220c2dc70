"""What ``crystallize plugins NAME`` says of one plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from crystallize.contracts import API_VERSION

if TYPE_CHECKING:
    from crystallize.plugins.inspection import Inspection

WITHOUT_HOOKS = ("command", "exporter")


def page(seen: Inspection, status: str) -> dict[str, Any]:
    """What was seen of a plugin, as JSON has it.

    Parameters
    ----------
    seen : Inspection
    status : str
        What the list says of it.
    """
    info = seen.info
    return {
        "name": info.name,
        "kind": info.kind,
        "distribution": info.distribution,
        "version": info.version,
        "status": status if seen.problem is None else f"broken: {seen.problem}",
        "value": info.value,
        "seconds": seen.seconds,
        "api": None if seen.api is None else list(seen.api),
        "api_offered": API_VERSION,
        "options": [
            {
                "name": option.name,
                "type": option.words,
                "required": option.is_required,
                "default": None if option.is_required else repr(option.default),
            }
            for option in seen.options
        ],
        "is_built": seen.is_built,
        "hooks": list(seen.hooks),
        "capabilities": {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in seen.capabilities.items()
        },
        "cannot": list(seen.cannot),
    }


def as_text(page: Mapping[str, Any]) -> str:
    """The same for people."""
    return "\n".join([*_head(page), *_options(page), *_capabilities(page), *_cannot(page)])


def _head(page: Mapping[str, Any]) -> Iterator[str]:
    told = {name: page[name] for name in ("name", "kind")}
    told["distribution"] = f"{page['distribution']} {page['version']}"
    told |= {name: page[name] for name in ("value", "status")}
    if page["seconds"] is not None:
        told["import"] = f"{page['seconds']:.3f} s"
    if page["status"] != "blocked":
        needed = "not stated" if page["api"] is None else " or ".join(map(str, page["api"]))
        told["needs API"] = f"{needed}; this version offers {page['api_offered']}"
    if page["kind"] not in WITHOUT_HOOKS and page["status"] != "blocked":
        unknown = "none" if page["is_built"] else "not known before it is built with its options"
        if page["is_built"] and page["options"]:
            told["built"] = "with the defaults of its options"
        told["hooks"] = ", ".join(page["hooks"]) or unknown
    for name, value in told.items():
        yield f"{name:<12}  {value}"


def _options(page: Mapping[str, Any]) -> Iterator[str]:
    for option in page["options"]:
        needed = "required" if option["required"] else f"default {option['default']}"
        yield f"{'option':<12}  {option['name']}: {option['type']}; {needed}"


def _capabilities(page: Mapping[str, Any]) -> Iterator[str]:
    for name, value in page["capabilities"].items():
        shown = ", ".join(value) if isinstance(value, list) else value
        yield f"{'capability':<12}  {name}: {shown}"


def _cannot(page: Mapping[str, Any]) -> Iterator[str]:
    for lack in page["cannot"]:
        yield f"{'cannot have':<12}  {lack}"
