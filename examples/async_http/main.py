"""Start a flaky HTTP server, run the experiment against it, print the result."""

import os
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

from crystallize import Experiment


class Flaky(BaseHTTPRequestHandler):
    """Answers GET /DRAW with 503 where the draw is below 0.3; with 429 where it is asked a lot."""

    def do_GET(self):
        draw = float(self.path.removeprefix("/"))
        body = b"" if draw < 0.3 else b"x" * int(1000 * draw)
        if self.server.is_busy():
            body = b""
            self.send_response(429)
            self.send_header("Retry-After", "1")
        else:
            self.send_response(200 if body else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep standard error for errors."""


class Server(ThreadingHTTPServer):
    """Answers 500 requests in a second."""

    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Flaky)
        self.recent = deque(maxlen=500)

    def is_busy(self):
        """Whether another one would be too many."""
        now = monotonic()
        if len(self.recent) == self.recent.maxlen and self.recent[0] > now - 1:
            return True
        self.recent.append(now)
        return False


def main():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["FLAKY_SERVER_PORT"] = str(server.server_port)
        result = Experiment.from_config(Path(__file__).with_name("experiment.toml")).run()
        server.shutdown()
    print(result)


if __name__ == "__main__":
    main()
