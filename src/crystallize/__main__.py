"""``python -m crystallize``."""

from crystallize.cli import main

if __name__ == "__main__":  # or else workers that load the program's file would run it
    main(prog_name="crystallize")
