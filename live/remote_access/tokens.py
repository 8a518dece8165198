"""The tokens by which other clusters read a cluster: whose, how old, when last used."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.reachability import cluster_uid
from topology.defaults import NAMESPACE, READER_PREFIX

ACCOUNT = "kubernetes.io/service-account.name"
# Written by the API server at the first use of each day (KEP-2799).
LAST_USED = "kubernetes.io/legacy-token-last-used"
TOKENS = "type=kubernetes.io/service-account-token"
# Istio's own chart makes this one; no reader of the mesh is called so.
ISTIOS_OWN = "istio-reader-service-account"


@dataclass(frozen=True)
class ReaderToken:
    """One token Secret of a reader; never the token itself.

    Attributes:
        reader: Istio's name of the cluster that reads by it.
        secret: name of the Secret.
        created: when the Secret was made.
        last_used: day of its last use, as the API server noted it; None: never used.
        expires: when it ends; None: it ends with its Secret only.
        sha256: SHA-256 of the token, lower-case hex, by which two tokens are told to be the same; empty: the Secret
            has not been filled.
    """

    reader: str
    secret: str
    created: datetime
    last_used: date | None
    expires: datetime | None
    sha256: str = ""


def reader_tokens(access: ClusterAccess) -> list[ReaderToken]:
    """The tokens of every reader of one cluster, by reader and age.

    Raises:
        UnreachableError: the cluster does not answer.
    """
    cluster_uid(access)
    with api_client(access) as api:
        return tokens_of_readers(client.CoreV1Api(api))


def tokens_of_readers(core: client.CoreV1Api) -> list[ReaderToken]:
    """The tokens of every reader of one cluster, by reader and age.

    Args:
        core: client of the cluster.

    Raises:
        kubernetes.client.exceptions.ApiException: it may not list the Secrets of istio-system.
    """
    secrets = core.list_namespaced_secret(NAMESPACE, field_selector=TOKENS, _request_timeout=TIMEOUT)
    found = [
        _reader_token(account.removeprefix(READER_PREFIX), secret)
        for secret in secrets.items
        if (account := (secret.metadata.annotations or {}).get(ACCOUNT, "")).startswith(READER_PREFIX)
        and account != ISTIOS_OWN
    ]
    return sorted(found, key=lambda token: (token.reader, token.created))


def _reader_token(reader: str, secret: Any) -> ReaderToken:
    token = base64.b64decode((secret.data or {}).get("token", "")).decode()
    return ReaderToken(
        reader,
        secret.metadata.name,
        secret.metadata.creation_timestamp,
        _day((secret.metadata.labels or {}).get(LAST_USED)),
        token_expiry(token),
        hashlib.sha256(token.encode()).hexdigest() if token else "",
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def token_expiry(token: str) -> datetime | None:
    """When a token ends by its own word; nothing is verified, as nothing is decided by it.

    Args:
        token: a JSON web token (RFC 7519).

    Returns:
        None where it never ends, or is none.
    """
    try:
        payload = token.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, LookupError):
        return None
