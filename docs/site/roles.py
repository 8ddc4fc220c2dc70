"""What docstrings say in Sphinx's roles, as the Markdown of the site has it."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?(?:[\w.]+\.)?([\w]+)`")


class Roles(griffe.Extension):
    """``:meth:`crystallize.Result.save``` becomes the name, as code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
