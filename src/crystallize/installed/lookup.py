"""What a name means: an installed plugin, or else ``module:attribute``."""

from __future__ import annotations

from crystallize.errors import FunctionLookupError, PluginLoadError, UnknownNameError
from crystallize.installed.catalog import Catalog, Kind
from crystallize.installed.metadata import normalized
from crystallize.located import folder_of


def factory_of(catalog: Catalog, kind: Kind, name: str) -> object:
    """The installed plugin that has a name, or the object that it leads to.

    Parameters
    ----------
    catalog : Catalog
    kind : {"executor", "aggregator", "plugin"}
    name : str
        A name, ``distribution:name``, or ``module:attribute``.  What is installed
        comes first; a module is looked up beside the config that names it, then as
        Python does.

    Raises
    ------
    UnknownNameError, DuplicateNameError, PluginError
        See :meth:`Catalog.find`.
    PluginLoadError
        If it leads to no object; chained to the reason.
    """
    try:
        return catalog.find(kind, name)
    except UnknownNameError as unknown:
        # Imported when it is needed: it loads what pickles functions.
        from crystallize.description.lookup import find_object, is_module_attribute

        if not is_module_attribute(name):
            raise
        try:
            return find_object(name, folder_of(name))
        except FunctionLookupError as error:
            distribution = normalized(name.partition(":")[0])
            if distribution in {info.distribution for info in catalog.of(kind)}:
                raise unknown from error
            raise PluginLoadError(
                f"There is no {kind} {str(name)!r}: no distribution of that name has one, and as "
                f"module:attribute it leads nowhere. {error}"
            ) from error
