"""Which version of the hooks and contracts a plugin needs, held against the one that there is."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from crystallize.contracts import API_VERSION
from crystallize.errors import PluginLoadError

API_ATTRIBUTE = "crystallize_api"
"""Where a plugin says it: on itself, its class or factory, or in the module of one of them."""
CORE = "crystallize-core"

Needed = tuple[int, ...]


def needed_api(label: str, plugin: object, module: str = "") -> Needed | None:
    """The versions of the plugin API that a plugin works with; ``None`` where it says nothing.

    Parameters
    ----------
    label : str
        What messages call it: ``executor dask (crystallize-dask 1.0)``.
    plugin : object
        What its entry point leads to, or what was made of that.
    module : str
        The module that its entry point names.

    Raises
    ------
    PluginLoadError
        If it says it in another way than with a whole number, or several.
    """
    stated = next(_stated(plugin, module), None)
    if stated is None:
        return None
    needed = tuple(stated) if isinstance(stated, tuple | list | set | frozenset) else (stated,)
    if not needed or not all(type(version) is int for version in needed):
        raise PluginLoadError(
            f"The {label} says {API_ATTRIBUTE} = {stated!r:.80}; it must be the version of the "
            f"plugin API that it is written for, as in {API_ATTRIBUTE} = {API_VERSION}, or a tuple "
            "of those that it works with."
        )
    return tuple(sorted(needed))


def check_api(label: str, plugin: object, module: str = "", distribution: str = "") -> None:
    """Refuse a plugin that was written for other hooks and contracts than there are.

    Parameters
    ----------
    label, plugin, module
        See :func:`needed_api`.
    distribution : str
        Who ships it, if it is installed.

    Raises
    ------
    PluginLoadError
        It names both versions and says what to do.
    """
    needed = needed_api(label, plugin, module)
    if needed is None or API_VERSION in needed:
        return
    from crystallize._version import __version__  # asks what is installed

    theirs = f"a release of {distribution}" if distribution else "a version of it"
    ours = f"upgrade {CORE}" if min(needed) > API_VERSION else f"go back to an older {CORE}"
    raise PluginLoadError(
        f"The {label} needs version {shown(needed)} of the plugin API, and {CORE} {__version__} "
        f"offers version {API_VERSION}. Install {theirs} that is written for version "
        f"{API_VERSION}, or {ours}."
    )


def shown(needed: Needed) -> str:
    """``1``, or ``1 or 2``."""
    return " or ".join(map(str, needed))


def _stated(plugin: object, module: str) -> Iterator[object]:
    """What is said in each place where it may be, the nearest first."""
    # Looked up without running properties, which may do anything.
    own = inspect.getattr_static(plugin, API_ATTRIBUTE, None)
    names = filter(None, (module, getattr(plugin, "__module__", None)))
    places = (vars(sys.modules[name]) for name in names if name in sys.modules)
    yield from (
        found for found in (own, *(p.get(API_ATTRIBUTE) for p in places)) if found is not None
    )
