"""The command: ``python -m benchmarks``."""

import sys
from importlib.util import find_spec

NEEDED = ("crystallize", "numpy")


def run() -> int:
    """Run, or say what is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"Not installed: {', '.join(missing)}. From the repository's root: "
            "python -m pip install -e . -r benchmarks/requirements.txt",
            file=sys.stderr,
        )
        return 2
    from benchmarks.command import main

    try:
        return main()
    except KeyboardInterrupt:
        print("Interrupted; nothing is written.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
