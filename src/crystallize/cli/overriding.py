"""The option that overrides keys of a config, which every command has that reads one."""

from __future__ import annotations

import click

set_option = click.option(
    "--set",
    "overrides",
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="Override a key of the file, or unset it: SECTION.KEY=; may be given more than once.",
)
