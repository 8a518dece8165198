"""The report on this machine's loopback address, for `spanmesh report --watch`."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
IDLE_SECONDS = 30
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReportServer(ThreadingHTTPServer):
    """Answers with the page that it was given last, and to nobody but this machine's own browsers.

    A page of another origin cannot read it: a name that was made to lead to 127.0.0.1 (DNS rebinding) is another
    ``Host``, which is refused.

    Args:
        port: where to listen; 0: any free port.
        html: the first page.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, html: str) -> None:
        super().__init__((HOST, port), _Handler)
        self.show(html)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a ``Host`` header may say."""
        names = {HOST, "localhost"}
        return frozenset({f"{name}:{self.port}" for name in names} | (names if self.port == 80 else set()))

    @property
    def page(self) -> tuple[bytes, str]:
        """The page and its entity tag."""
        return self._page

    def show(self, html: str) -> None:
        """Answer with this page from now on."""
        body = html.encode()
        self._page = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer meanwhile; afterwards the port is free again."""
        thread = threading.Thread(target=self.serve_forever, name="report-server", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version, sys_version = "spanmesh", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """The page, or that it is still the same."""
        if self.headers.get("Host") not in self.server.hosts:
            self._say(HTTPStatus.MISDIRECTED_REQUEST, f"Ask for {self.server.url}: this is for this machine only\n")
        elif self.path.partition("?")[0] != "/":
            self._say(HTTPStatus.NOT_FOUND, "The report is at /\n")
        else:
            body, tag = self.server.page
            if self.headers.get("If-None-Match") == tag:
                self._answer(HTTPStatus.NOT_MODIFIED, b"", {"ETag": tag})
            else:
                self._answer(HTTPStatus.OK, body, {"ETag": tag, "Content-Type": "text/html; charset=utf-8"})

    do_HEAD = do_GET  # noqa: N815 - the library looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: the terminal has the progress."""

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **headers}.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
