"""A port of a pod, as `kubectl port-forward` reaches it: connected from inside the pod, so that 127.0.0.1 counts."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from kubernetes.config.config_exception import ConfigException

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.pods.port_forward import SECONDS, PortForward, PortForwardError, port_forward

# Where Envoy, and istiod, answer to nobody but localhost.
ENVOY_ADMIN = 15000
ISTIOD_DEBUG, ISTIOD_MONITORING = 8080, 15014
RIGHTS = ". Grant get and create on pods/portforward (docs/verification-rights.yaml)"


class PodPortError(Exception):
    """A port of a pod that does not answer, or not as it should; the message names the pod.

    Attributes:
        status: HTTP status by which the API server refused to connect to it; None: it did not refuse.
    """

    status: int | None

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class PodAnswerError(PodPortError):
    """A pod that answers, but by another status than 200, or by more than was asked for."""


class PodHttp:
    """HTTP over one connection into a pod; made by :func:`pod_http`."""

    def __init__(self, pod: str, connection: http.client.HTTPConnection, forward: PortForward) -> None:
        self._pod, self._connection, self._forward = pod, connection, forward

    def text(self, path: str, method: str = "GET", limit: int | None = None) -> str:
        """The body of an answer.

        Args:
            path: with its query, for example ``/debug/clusterz``.
            method: HTTP method.
            limit: how many bytes it may have; after a longer one the connection is good for nothing more.

        Raises:
            PodAnswerError: an answer that is too long, or of a status other than 200.
            PodPortError: no answer.
        """
        try:
            self._connection.request(method, path)
            answer = self._connection.getresponse()
            content = answer.read() if limit is None else answer.read(limit + 1)
            body = content.decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(path, error) from error
        if answer.status != http.HTTPStatus.OK:
            raise PodAnswerError(f"{self._pod} answers {path} by {answer.status}: {body[:200].strip()}")
        if limit is not None and len(content) > limit:
            raise PodAnswerError(f"{self._pod} has more to say at {path} than {limit} bytes")
        return body

    def lines(self, path: str, limit: int) -> Iterator[str]:
        """Lines of an answer as they come, none of it kept; after it, the connection is good for nothing more.

        Args:
            path: with its query, for example ``/clusters``.
            limit: how many bytes are read at most.

        Raises:
            PodPortError: no answer, or a status other than 200.
        """
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise PodPortError(f"{self._pod} answers {path} by {answer.status}")
            for line in answer:
                limit -= len(line)
                if limit < 0:
                    return
                yield line.decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(path, error) from error

    def _no_answer(self, path: str, error: Exception) -> PodPortError:
        reason = self._forward.error or str(error) or type(error).__name__
        return PodPortError(f"{self._pod} does not answer {path}: {reason}")

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
    with _forwarded(access, pod, namespace, port) as forward:
        connection = http.client.HTTPConnection("localhost", port)
        connection.sock = forward.socket
        # Where the pod has closed it, a new one would lead to this machine.
        connection.auto_open = 0
        yield PodHttp(f"pod {namespace}/{pod} in cluster {access.name}", connection, forward)


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
    with _forwarded(access, pod, namespace, port) as forward:
        yield forward.socket


@contextmanager
def _forwarded(access: ClusterAccess, pod: str, namespace: str, port: int) -> Iterator[PortForward]:
    where = f"port {port} of pod {namespace}/{pod} in cluster {access.name}"
    with ExitStack() as opened:
        try:
            # A client of its own: it may outlive the caller's.
            with api_client(access) as api:
                forward = opened.enter_context(port_forward(api, pod, namespace, port))
        except PortForwardError as error:
            cure = RIGHTS if error.status == http.HTTPStatus.FORBIDDEN else ""
            raise PodPortError(f"{where} cannot be reached: {error}{cure}", error.status) from error
        except ConfigException as error:
            raise PodPortError(f"{where} cannot be reached: the kubeconfig cannot be used: {error}") from error
        forward.socket.settimeout(SECONDS)
        yield forward
