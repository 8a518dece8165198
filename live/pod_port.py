"""A port of a pod, as `kubectl port-forward` reaches it: connected from inside the pod, so that 127.0.0.1 counts."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from live.client import api_client
from live.kubeconfig import ClusterAccess

SECONDS = 10


class PodPortError(Exception):
    """A port of a pod that does not answer, or not as it should; the message names the pod."""


class PodHttp:
    """HTTP over one connection into a pod; made by :func:`pod_http`."""

    def __init__(self, pod: str, connection: http.client.HTTPConnection) -> None:
        self._pod, self._connection = pod, connection

    def text(self, path: str, method: str = "GET") -> str:
        """The body of an answer.

        Args:
            path: with its query, for example ``/debug/clusterz``.
            method: HTTP method.

        Raises:
            PodPortError: no answer, or a status other than 200.
        """
        try:
            self._connection.request(method, path)
            answer = self._connection.getresponse()
            body = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise PodPortError(f"{self._pod} does not answer {path}: {error or type(error).__name__}") from error
        if answer.status != http.HTTPStatus.OK:
            raise PodPortError(f"{self._pod} answers {path} by {answer.status}: {body[:200].strip()}")
        return body

    def json(self, path: str) -> Any:
        """The body of an answer, from JSON.

        Raises:
            PodPortError: no answer, a status other than 200, or no JSON.
        """
        text = self.text(path)
        try:
            return json.loads(text)
        except ValueError as error:
            raise PodPortError(f"{self._pod} answers {path} by what is no JSON: {text[:200]!r}") from error


@contextmanager
def pod_http(access: ClusterAccess, pod: str, namespace: str, port: int) -> Iterator[PodHttp]:
    """HTTP to a port of a pod: Envoy's admin port 15000, or port 8080 of istiod, which trust only localhost.

    Args:
        access: the pod's cluster.
        pod: name of the pod.
        namespace: its namespace.
        port: TCP port in the pod.

    Raises:
        PodPortError: the API server does not connect to it.
    """
    with pod_socket(access, pod, namespace, port) as connected:
        connection = http.client.HTTPConnection("localhost", port)
        connection.sock = connected
        yield PodHttp(f"pod {namespace}/{pod} in cluster {access.name}", connection)


@contextmanager
def pod_socket(access: ClusterAccess, pod: str, namespace: str, port: int) -> Iterator[socket.socket]:
    """A connection to a port of a pod, closed afterwards.

    Args:
        access: the pod's cluster.
        pod: name of the pod.
        namespace: its namespace.
        port: TCP port in the pod.

    Raises:
        PodPortError: the API server does not connect to it.
    """
    where = f"port {port} of pod {namespace}/{pod} in cluster {access.name}"
    # portforward() replaces the client's request function: it gets a client of its own.
    with api_client(access) as api:
        connect = client.CoreV1Api(api).connect_get_namespaced_pod_portforward
        try:
            forward = portforward(connect, pod, namespace, ports=str(port))
        except (ApiException, OSError, AttributeError) as error:
            # The library fails on its own exception where the API server refuses: there is no body to decode.
            cause = error.__context__ if isinstance(error, AttributeError) else error
            raise PodPortError(f"{where} cannot be reached: {getattr(cause, 'reason', None) or cause}") from error
        connected = cast(socket.socket, forward.socket(port))
        connected.settimeout(SECONDS)
        try:
            yield connected
        finally:
            # Its thread ends when it sees this, and closes the other side.
            connected.close()
