"""One client: asks a server until it answers, or until its tries are used up."""

import asyncio
import os


class TooMany(Exception):
    """The server has no time now; `retry_after` is when it may have, in seconds."""

    def __init__(self, retry_after):
        super().__init__(f"too many requests; again after {retry_after} s")
        self.retry_after = retry_after


async def fetch(path):
    """Send one GET request; return the status and the body."""
    port = int(os.environ["FLAKY_SERVER_PORT"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    status = int(head.split()[1])
    if status == 429:
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        raise TooMany(float(headers[b"Retry-After"]))
    return status, body


async def trial(rng, tries):
    """Ask for a draw; the server fails for draws below 0.3."""
    for tried in range(1, tries + 1):
        status, body = await fetch(f"/{rng.random():.6f}")
        if status == 200:
            return {"answered": True, "tries": tried, "bytes": len(body)}
    return {"answered": False, "tries": tries, "bytes": 0}
