"""Whether the API server of a cluster answers, and why not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError, SSLError

from live.client import CONNECT_SECONDS, TIMEOUT, api_client
from live.kubeconfig import ClusterAccess

# OpenSSL's words where the other side speaks no TLS, or hangs up.
NO_TLS = ("UNEXPECTED_EOF", "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


class UnreachableError(Exception):
    """A cluster whose API server cannot be used.

    Attributes:
        cluster: Istio's cluster name.
        cause: what was seen.
        cure: what to do.
        status: HTTP status by which the API server answered; None: it did not.
    """

    cluster: str
    cause: str
    cure: str
    status: int | None

    def __init__(self, cluster: str, cause: str, cure: str, status: int | None = None) -> None:
        super().__init__(f"cluster {cluster}: {cause}. {cure}")
        self.cluster, self.cause, self.cure, self.status = cluster, cause, cure, status


def cluster_uid(access: ClusterAccess) -> str:
    """The uid of the namespace kube-system: what tells one cluster from another.

    Raises:
        UnreachableError: the API server does not answer, or refuses the credentials.
    """
    with explained(access, "reading the namespace kube-system"), api_client(access) as api:
        core = client.CoreV1Api(api)
        return str(core.read_namespace("kube-system", _request_timeout=TIMEOUT).metadata.uid)


@contextmanager
def explained(access: ClusterAccess, what: str) -> Iterator[None]:
    """Turn every way in which an API server does not do what is asked within into UnreachableError.

    Args:
        access: the cluster.
        what: what is asked, for a message that says it is forbidden: ``reading the namespace kube-system``.
    """
    try:
        yield
    except ApiException as error:
        # Without a status there was no answer: TLS failed.
        raise (_refused(access, error, what) if error.status else _no_answer(access, error)) from error
    except AttributeError as error:
        # The library before 37 fails on its own exception where TLS failed: there is no body to decode.
        if not isinstance(error.__context__, ApiException):
            raise
        raise _no_answer(access, error.__context__) from error
    except (HTTPError, ConfigException, OSError) as error:
        raise _no_answer(access, error) from error


def _refused(access: ClusterAccess, error: ApiException, what: str) -> UnreachableError:
    where = f"its API server {access.server}"
    if error.status == 401:
        return UnreachableError(
            access.name,
            f"{where} refuses the kubeconfig's credentials (401 Unauthorized): expired, or of another cluster",
            "Fetch the kubeconfig anew",
            error.status,
        )
    if error.status == 403:
        return UnreachableError(
            access.name,
            f"{where} forbids {what} (403 Forbidden): {_message(error)}",
            "Use a kubeconfig whose user administers the cluster",
            error.status,
        )
    cause = f"{where} answers {error.status} {error.reason}"
    return UnreachableError(access.name, cause, "See the API server's log", error.status)


def _message(error: ApiException) -> str:
    """Kubernetes' own words: who may not do what."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def _no_answer(access: ClusterAccess, error: Exception) -> UnreachableError:
    if any(sign in str(error) for sign in NO_TLS):
        return UnreachableError(
            access.name,
            f"no API server answers behind {access.server}, where TLS does not come about: {_reason(error)}",
            "Check that the cluster runs: a load balancer or a tunnel takes the connection in its place",
        )
    if isinstance(error, SSLError) or isinstance(error.__cause__, SSLError) or "SSL" in str(error):
        return UnreachableError(
            access.name,
            f"the certificate of its API server {access.server} does not fit the kubeconfig: {_reason(error)}",
            "Fetch the kubeconfig anew: the address may belong to another cluster now",
        )
    if isinstance(error, ConfigException):
        return UnreachableError(access.name, f"its kubeconfig cannot be used: {error}", "Fetch the kubeconfig anew")
    return UnreachableError(
        access.name,
        f"its API server {access.server} does not answer within {CONNECT_SECONDS} s: {_reason(error)}",
        "Check that the cluster runs and that this machine may reach that address",
    )


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ApiException):
        # Of a failure of TLS: the name of an exception, then what it says.
        return str(error.reason).rpartition("\n")[2]
    text = str(error)
    # urllib3 puts the connection object first: its address says nothing to a reader.
    return text.split(": ", 1)[1] if text.startswith("<") and ": " in text else text
