"""A contender's own process: requests go in and answers come out, a line of JSON each.

No contender has another's threads, heap or imports beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NOT_INSTALLED = "not installed"
"""The key of an answer that names the package which a contender misses."""


class Side:
    """The process, from outside.

    Parameters
    ----------
    name : str
        What messages call it.
    command : list of str
    folder : Path
        Where it runs.
    environment : mapping of str to str, optional
    quiet : bool
        Whether what it writes to standard error is thrown away.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            cwd=folder,
            env=environment,
        )

    def ask(self, *request: Any) -> dict[str, Any]:
        """Send a request; its answer.

        Raises
        ------
        RuntimeError
            If the process ended instead.
        """
        assert self._process.stdin and self._process.stdout
        line = ""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            raise RuntimeError(f"{self.name} ended when it was asked to {request}.")
        return dict(json.loads(line))

    def stop(self) -> None:
        """End the process and wait for it."""
        self._process.communicate()


def answer_requests(respond: Callable[..., dict[str, Any]]) -> None:
    """Inside the process: answer every line until there are no more."""
    # What a library prints must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(respond(*json.loads(line))), file=answers, flush=True)
