"""A stand-in for an API server that forwards ports of pods, on loopback, without TLS."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websocket import ABNF
from websocket._abnf import frame_buffer

from live.kubeconfig import ClusterAccess

PORT_OF_POD = struct.pack("<H", 8080)
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455

Pod = Callable[["Channels"], None]


class Channels:
    """What the pod's side of a forwarded port sees.

    Attributes:
        closed: set once the other side has said that it closes, or is gone.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self.closed = connection, threading.Event()
        self._frames = frame_buffer(self._exactly, skip_utf8_validation=True)

    def _exactly(self, length: int) -> bytes:
        if not (data := self._connection.recv(length)):
            raise ConnectionResetError
        return data

    def receive(self) -> bytes:
        """The next message with its channel; empty: the other side closes."""
        try:
            frame = self._frames.recv_frame()
        except OSError:
            self.closed.set()
            return b""
        if frame.opcode == ABNF.OPCODE_CLOSE:
            self.closed.set()
            return b""
        return frame.data if isinstance(frame.data, bytes) else frame.data.encode()

    def send(self, channel: int, content: bytes, opcode: int = ABNF.OPCODE_BINARY) -> None:
        """Send a message; of a server it is not masked."""
        frame = ABNF.create_frame(bytes([channel]) + content if opcode == ABNF.OPCODE_BINARY else content, opcode)
        frame.mask_value = 0
        self._connection.sendall(frame.format())


@contextmanager
def port_server(pod: Pod, refuses: int | None = None, message: str = "") -> Iterator[ClusterAccess]:
    """An API server each of whose forwarded ports is played by a function.

    Args:
        pod: plays the pod's side, once both channels have begun.
        refuses: HTTP status by which every request is refused; None: none is.
        message: what it says then.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.close_connection = True
            if refuses:
                body = json.dumps({"kind": "Status", "message": message, "code": refuses}).encode()
                self.send_response(refuses)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            accepted = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode(), usedforsecurity=False)
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(accepted.digest()).decode())
            self.send_header("Sec-WebSocket-Protocol", self.headers["Sec-WebSocket-Protocol"])
            self.end_headers()
            channels = Channels(self.connection)
            channels.send(0, PORT_OF_POD)
            channels.send(1, PORT_OF_POD)
            pod(channels)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield access(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def access(port: int) -> ClusterAccess:
    """A cluster whose API server is a port of this machine."""
    return ClusterAccess(
        "cluster1",
        {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "a", "user": {}}],
        },
    )
