"""A source of sentence pairs that can be made to hang, so that a job can be met in the middle of its run."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROWS = "".join(f"mi viska lo mlatu {number}\tI see cat {number}\t5\n" for number in range(200))


class Source(ThreadingHTTPServer):
    """Serves ROWS, at once or, between `hold` and `release`, never."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.open, self.asked = threading.Event(), threading.Event()
        self.open.set()
        threading.Thread(target=self.serve_forever, name="source", daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the rows."""
        return f"http://127.0.0.1:{self.server_address[1]}/muplis.tsv"

    def hold(self) -> None:
        """Answer nothing from now on."""
        self.asked.clear()
        self.open.clear()

    def release(self) -> None:
        """Answer again."""
        self.open.set()


class _Handler(BaseHTTPRequestHandler):
    server: Source

    def do_GET(self) -> None:
        """Answer when the source is open."""
        self.server.asked.set()
        self.server.open.wait(60)
        body = ROWS.encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/tab-separated-values")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # who asked was killed
            return

    def log_message(self, *_: object) -> None:
        """Say nothing."""
