"""Start a flaky HTTP server, run the experiment against it, print the result."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from crystallize import Experiment


class Flaky(BaseHTTPRequestHandler):
    """Answers GET /DRAW with 503 where the draw is below 0.3."""

    def do_GET(self):
        draw = float(self.path.removeprefix("/"))
        body = b"" if draw < 0.3 else b"x" * int(1000 * draw)
        self.send_response(200 if body else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep standard error for errors."""


class Server(ThreadingHTTPServer):
    request_queue_size = 256


def main():
    with Server(("127.0.0.1", 0), Flaky) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["FLAKY_SERVER_PORT"] = str(server.server_port)
        result = Experiment.from_config(Path(__file__).with_name("experiment.toml")).run()
        server.shutdown()
    print(result)


if __name__ == "__main__":
    main()
