"""``python -m crystallize``."""

from crystallize.cli import main

main(prog_name="crystallize")
