"""Bytes that stand for content: equal where it is, on every machine and in every process."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterable
from typing import Any

SIZE = 16
"""Bytes of a token that stands for more than one thing."""
PLAIN: frozenset[type] = frozenset(
    (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
)
"""What :func:`plain` takes; no subclasses."""
CHUNK_BYTES = 2**23
"""How much of a large buffer is hashed at once."""


def plain(value: Any) -> bytes:
    """The token of a value of a type in :data:`PLAIN`, or of a list or tuple of these.

    Tells ``True`` from ``1`` and ``0.0`` from ``-0.0``.  Version 2 of the format knows no
    references, which depend on what else holds an object.
    """
    written = marshal.dumps(value, 2)
    return written if len(written) <= SIZE else hashlib.sha256(written).digest()[:SIZE]


def combined(kind: str, *tokens: bytes) -> bytes:
    """The token of a thing of some kind that consists of others."""
    return joined(kind, tokens)


def joined(kind: str, tokens: Iterable[bytes]) -> bytes:
    """:func:`combined`, for any number of them."""
    written = [b"%d:%b" % (len(token), token) for token in tokens]
    kind_bytes = kind.encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"".join((kind_bytes, *written))).digest()[:SIZE]


def buffer(data: Any) -> bytes:
    """The token of raw bytes; several CPUs hash what is large."""
    view = memoryview(data).cast("B")
    if len(view) <= 2 * CHUNK_BYTES:
        return joined("bytes", [hashlib.sha256(view).digest()])
    from concurrent.futures import ThreadPoolExecutor

    chunks = (view[start : start + CHUNK_BYTES] for start in range(0, len(view), CHUNK_BYTES))
    with ThreadPoolExecutor(thread_name_prefix="crystallize-hash") as pool:
        return joined("chunks", pool.map(lambda chunk: hashlib.sha256(chunk).digest(), chunks))
