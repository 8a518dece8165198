"""The kubeconfigs that the istiods of a cluster read others by: read as data, never run, no client made of them."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from kubernetes.client.exceptions import ApiException

from health.observed import RemoteKubeconfig
from live.client import TIMEOUT
from live.observed.asked import Asked
from live.remote_access.tokens import token_expiry
from topology.defaults import NAMESPACE, REMOTE_SECRET

OWN_CA = "kube-root-ca.crt"
NOT_FOUND = 404
# istio: pkg/kube/util.go, sanitizeKubeConfig
FILES = ("client-key", "client-certificate", "tokenFile")
HARMLESS_PROVIDER = "oidc"
# Of fifty clusters each holds forty-nine of these, and libyaml is ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(asked: Asked) -> tuple[RemoteKubeconfig, ...]:
    """Every key of the mesh's remote Secret; empty where there is none."""
    try:
        secret = asked.core.read_namespaced_secret(REMOTE_SECRET, NAMESPACE, _request_timeout=TIMEOUT)
    except ApiException as error:
        if error.status == NOT_FOUND:
            return ()
        raise
    return tuple(remote_kubeconfig(key, value) for key, value in sorted((secret.data or {}).items()))


def authority(asked: Asked) -> tuple[str, ...]:
    """Fingerprints of the CAs of the cluster's own API server, as every pod is given them."""
    held = asked.core.read_namespaced_config_map(OWN_CA, NAMESPACE, _request_timeout=TIMEOUT)
    return fingerprints((held.data or {}).get("ca.crt", "").encode())


def remote_kubeconfig(cluster: str, encoded: str) -> RemoteKubeconfig:
    """What one key of a remote Secret says; what is wrong with it becomes its ``problem``.

    Args:
        cluster: the key.
        encoded: its value, base64 as the API gives it.
    """
    try:
        document = yaml.load(base64.b64decode(encoded), Loader=LOADER)  # noqa: S506 - both are safe ones
        held, user = _in_use(document)
    except (ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        # The parser's own message would quote the text, which holds a token.
        return RemoteKubeconfig(REMOTE_SECRET, cluster, "", problem="it is no kubeconfig with a context in use")
    token = str(user.get("token") or "")
    authorities: tuple[str, ...] = ()
    problems = list(_problems(user))
    try:
        authorities = fingerprints(base64.b64decode(held.get("certificate-authority-data") or ""))
    except ValueError:
        problems.append("its certificate-authority-data is no certificate in PEM")
    return RemoteKubeconfig(
        REMOTE_SECRET,
        cluster,
        str(held.get("server") or ""),
        authorities,
        token_expiry(token) if token else None,
        hashlib.sha256(token.encode()).hexdigest() if token else "",
        "; ".join(problems),
    )


def _in_use(document: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The cluster and the user of the current context."""
    context = _named(document["contexts"], document["current-context"])["context"]
    cluster = _named(document["clusters"], context["cluster"])["cluster"]
    return cluster, _named(document["users"], context["user"]).get("user") or {}


def _named(entries: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(iter([entry for entry in entries if entry["name"] == name]))


def _problems(user: Mapping[str, Any]) -> Iterator[str]:
    if user.get("exec"):
        yield "it names a program to run (users[].user.exec), which istiod refuses: use a token"
    provider = (user.get("auth-provider") or {}).get("name", HARMLESS_PROVIDER)
    if provider != HARMLESS_PROVIDER:
        yield f"its auth-provider {provider} is one that istiod refuses: use a token"
    for name in FILES:
        if user.get(name):
            yield f"it names a file ({name}), which istiod refuses: give its content"
    if not any(
        user.get(name) for name in ("token", "client-certificate-data", "username", "auth-provider", "exec", *FILES)
    ):
        yield "it has no credentials"


def fingerprints(pem: bytes) -> tuple[str, ...]:
    """SHA-256, lower-case hex, of every certificate of a text; empty: the text is.

    Raises:
        ValueError: it is no PEM.
    """
    if not pem.strip():
        return ()
    return tuple(each.fingerprint(hashes.SHA256()).hex() for each in x509.load_pem_x509_certificates(pem))
