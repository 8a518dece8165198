"""A stand-in of a download host on 127.0.0.1, and a listener that accepts connections but never answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """What a stand-in serves, and what it was asked for.

    Attributes:
        url: its base URL.
        files: path -> content.
        cut: paths whose content ends half-way.
        asked: "METHOD path" of every request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


def handler_for(host: Host) -> type[BaseHTTPRequestHandler]:
    """A request handler that serves ``host``."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            host.asked.append(f"{self.command} {self.path}")
            content = host.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            body = content or b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body[: len(body) // 2] if self.path in host.cut else body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Say nothing."""

    return Handler


@contextmanager
def serving() -> Iterator[Host]:
    """A download host that serves what the test puts into it."""
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(host))
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Silent:
    """A host that never answers. ``connections``: how often it was tried."""

    url: str
    connections: int = 0


@contextmanager
def silent() -> Iterator[Silent]:
    """A host that takes connections and keeps quiet."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = Silent(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def hold() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return
                host.connections += 1

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield host
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
