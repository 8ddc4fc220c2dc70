"""Something of this process that is changed for as long as cells run in it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class ProcessWide(ABC):
    """Changed by the first that begins, given back by the last that ends.

    Runs and blocks overlap in any order, so it cannot be given back by who changed it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._begun = 0

    def begin(self) -> None:
        """Change it, or what is left of that if somebody has changed it since."""
        with self._lock:
            self._begun += 1
            if self._begun == 1 or not self.holds():
                self.change()

    def end(self) -> None:
        """Give it back, unless somebody else still needs it."""
        with self._lock:
            self._begun -= 1
            if not self._begun:
                self.give_back()

    @abstractmethod
    def holds(self) -> bool:
        """Whether it is still as :meth:`change` left it."""

    @abstractmethod
    def change(self) -> None: ...

    @abstractmethod
    def give_back(self) -> None: ...
