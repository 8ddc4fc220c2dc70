"""An HTTP server on loopback that lets so many requests a second through, errs and hangs; counts.

It is a program of its own: ``python -m benchmarks.busy_server`` prints its port, and ends with its
standard input.  ``GET /SOMETHING`` answers with a number that follows from the path alone.  Which
requests err or hang follows from the path too: only the first that is let through for a path can.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections import Counter, deque
from time import monotonic

COUNTS = "/counts"


class BusyServer:
    """Answers requests.

    Parameters
    ----------
    a_second : float
        How many requests it answers in any second at the most; others get 429 with
        ``Retry-After``.  0: all.
    errors, hangs : float
        Which share of the paths gets a 500, or no answer at all, at first.
    """

    def __init__(self, a_second: int, errors: float, hangs: float) -> None:
        self._a_second = a_second
        self._errors, self._hangs = errors, hangs
        self._let_through: deque[float] = deque()
        self._seen: set[str] = set()
        self.counts: Counter[str] = Counter()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, and the end of the connection."""
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            status, headers, body = await self._answer(path)
            head = [f"HTTP/1.1 {status} .", f"Content-Length: {len(body)}", *headers]
            writer.write("\r\n".join([*head, "Connection: close", "", body]).encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _answer(self, path: str) -> tuple[int, list[str], str]:
        if path == COUNTS:
            return 200, [], json.dumps(self.counts)
        self.counts["requests"] += 1
        now = monotonic()
        while self._let_through and self._let_through[0] <= now - 1:
            self._let_through.popleft()
        if self._a_second and len(self._let_through) >= self._a_second:
            self.counts["429"] += 1
            return 429, ["Retry-After: 1"], ""
        self._let_through.append(now)
        digest = int.from_bytes(hashlib.sha256(path.encode()).digest()[:8])
        share, is_first = digest / 2**64, path not in self._seen
        self._seen.add(path)
        if is_first and share < self._errors:
            self.counts["500"] += 1
            return 500, [], ""
        if is_first and share < self._errors + self._hangs:
            self.counts["hangs"] += 1
            await asyncio.sleep(3600)
        self.counts["200"] += 1
        return 200, [], str(digest % 1000)


async def serve(a_second: int, errors: float, hangs: float) -> None:
    """Serve until standard input ends."""
    server = BusyServer(a_second, errors, hangs)
    async with await asyncio.start_server(server.answer, "127.0.0.1", 0, backlog=1000) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # whatever hangs


if __name__ == "__main__":
    a_second, errors, hangs = map(float, sys.argv[1:])
    asyncio.run(serve(int(a_second), errors, hangs))
