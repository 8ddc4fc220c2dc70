"""The file in which finished cells are kept."""

from __future__ import annotations

from crystallize.store.rows import Record
from crystallize.store.sqlite import Store, stored_root

__all__ = ["Record", "Store", "stored_root"]
