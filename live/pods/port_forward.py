"""A port of a pod through its API server, as one socket: the protocol of `kubectl port-forward` over a WebSocket.

Not the official library's: that one has no time limit for an API server that is silent, says nothing of why the pod's
side ended, and leaves its connection open where that happens.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

import json
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

import certifi
from kubernetes import client
from kubernetes.stream.ws_client import get_websocket_url, websocket_proxycare
from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException

from live.client import CONNECT_SECONDS

# Each frame begins with its channel; the first of each channel holds the port's number.
DATA, ERROR = 0, 1
PROTOCOL = "v4.channel.k8s.io"
CHUNK = 64 * 1024
SECONDS = 10


class PortForwardError(Exception):
    """An API server that does not connect to a pod.

    Attributes:
        status: HTTP status by which it refused; None: it did not answer.
    """

    status: int | None

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class PortForward:
    """One connection into a pod.

    Attributes:
        socket: what is sent and received by.
        error: why the pod's side ended, in the words of its node; empty: it has not, or said nothing.
    """

    socket: socket.socket
    error: str

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket, self._begun = websocket, set[int]()
        self.socket, self._inner = socket.socketpair()
        self.error = ""
        self._thread = threading.Thread(target=self._pump, name="port-forward", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.socket.close()
        self._thread.join(SECONDS)

    def _pump(self) -> None:
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(self._inner, selectors.EVENT_READ, self._send)
                ready.register(self._websocket, selectors.EVENT_READ, self._receive)
                while all(key.data() for key, _ in ready.select()):
                    pass
        except (OSError, WebSocketException) as error:
            self.error = self.error or str(error)
        finally:
            self._inner.close()
            with suppress(OSError, WebSocketException):
                self._websocket.send_close()
            self._websocket.shutdown()  # type: ignore[no-untyped-call]

    def _send(self) -> bool:
        """Pass on what this side said; False: it has closed."""
        if data := self._inner.recv(CHUNK):
            self._websocket.send_binary(bytes([DATA]) + data)
        return bool(data)

    def _receive(self) -> bool:
        """Pass on what the pod's side said; False: it has closed."""
        while True:
            opcode, frame = self._websocket.recv_data_frame(control_frame=True)
            if opcode == ABNF.OPCODE_CLOSE:
                return False
            if opcode == ABNF.OPCODE_BINARY and not self._take(frame.data):
                return False
            # What TLS has already decrypted does not show as something to read.
            decrypted = self._websocket.sock
            if not (isinstance(decrypted, ssl.SSLSocket) and decrypted.pending()):
                return True

    def _take(self, frame: bytes) -> bool:
        channel, content = frame[0], frame[1:]
        if channel not in self._begun:
            self._begun.add(channel)
        elif channel == DATA:
            self._inner.sendall(content)
        elif channel == ERROR and content:
            self.error = content.decode(errors="replace").strip()
            return False
        return True


@contextmanager
def port_forward(api: client.ApiClient, pod: str, namespace: str, port: int) -> Iterator[PortForward]:
    """A connection to a port of a pod, closed afterwards.

    Args:
        api: client of the pod's cluster.
        pod: name of the pod.
        namespace: its namespace.
        port: TCP port in the pod.

    Raises:
        PortForwardError: the API server does not answer, or refuses.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    forward = PortForward(_connect(api, get_websocket_url(f"{api.configuration.host}{path}", [("ports", str(port))])))
    try:
        yield forward
    finally:
        forward.close()


def _connect(api: client.ApiClient, url: str) -> WebSocket:
    configuration = api.configuration
    bearer = configuration.auth_settings().get("BearerToken")
    headers = {bearer["key"]: bearer["value"]} if bearer else {}
    options = {"header": [f"{name}: {value}" for name, value in headers.items()]}
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, headers)
    websocket = WebSocket(sslopt=_tls(configuration), enable_multithread=False)
    try:
        websocket.connect(  # type: ignore[no-untyped-call]
            url, timeout=CONNECT_SECONDS, subprotocols=[PROTOCOL], **options
        )
    except WebSocketBadStatusException as error:
        raise PortForwardError(_refusal(error), error.status_code) from error
    except (OSError, WebSocketException) as error:
        raise PortForwardError(str(error) or type(error).__name__) from error
    websocket.settimeout(SECONDS)
    return websocket


def _tls(configuration: client.Configuration) -> dict[str, object]:
    """TLS as the official library sets it for its other requests, in websocket-client's words."""
    if not configuration.verify_ssl:
        return {"cert_reqs": ssl.CERT_NONE, "check_hostname": False, **_own_certificate(configuration)}
    options: dict[str, object] = {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": configuration.ssl_ca_cert or certifi.where(),
        **_own_certificate(configuration),
    }
    if configuration.assert_hostname is not None:
        options["check_hostname"] = configuration.assert_hostname
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    return options


def _own_certificate(configuration: client.Configuration) -> dict[str, object]:
    files = {"certfile": configuration.cert_file, "keyfile": configuration.key_file}
    return {name: file for name, file in files.items() if file}


def _refusal(error: WebSocketBadStatusException) -> str:
    """Kubernetes' own words, where the answer has them."""
    try:
        return str(json.loads(error.resp_body or b"")["message"]).rstrip(": ")
    except (ValueError, LookupError, TypeError):
        return f"{error.status_code} {HTTPStatus(error.status_code).phrase}"
