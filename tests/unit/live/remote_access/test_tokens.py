"""What the token Secrets of a cluster say of its readers."""

import base64
import hashlib
import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client

from live.kubeconfig import ClusterAccess
from live.remote_access import tokens
from live.remote_access.tokens import ReaderToken, reader_tokens

CREATED = datetime(2026, 11, 1, tzinfo=UTC)


def jwt(claims: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return base64.b64encode(".".join([*parts, "signature"]).encode()).decode()


def secret(name: str, account: str, token: str | None, **labels: str) -> client.V1Secret:
    metadata = client.V1ObjectMeta(
        name=name,
        creation_timestamp=CREATED,
        labels={f"kubernetes.io/{key.replace('_', '-')}": value for key, value in labels.items()} or None,
        annotations={"kubernetes.io/service-account.name": account},
    )
    return client.V1Secret(metadata=metadata, data={"token": token} if token else None)


def sha256(encoded: str) -> str:
    return hashlib.sha256(base64.b64decode(encoded)).hexdigest()


def test_each_readers_token_is_listed_with_age_use_and_expiry_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending, endless = jwt({"exp": 1800000000}), jwt({"sub": "no expiry"})
    secrets = [
        secret("b", "istio-reader-cluster2", ending, legacy_token_last_used="2026-11-20"),  # noqa: S106
        secret("a", "istio-reader-cluster1", endless),
        secret("empty", "istio-reader-cluster3", None),
        secret("istio", "istio-reader-service-account", jwt({})),
        secret("app", "default", jwt({})),
    ]
    monkeypatch.setattr(tokens, "cluster_uid", lambda access: "uid")
    monkeypatch.setattr(
        client.CoreV1Api, "list_namespaced_secret", lambda *_args, **_options: SimpleNamespace(items=secrets)
    )
    nowhere = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {}}],
    }
    assert reader_tokens(ClusterAccess("cluster9", nowhere)) == [
        ReaderToken("cluster1", "a", CREATED, None, None, sha256(endless)),
        ReaderToken(
            "cluster2", "b", CREATED, date(2026, 11, 20), datetime.fromtimestamp(1800000000, UTC), sha256(ending)
        ),
        ReaderToken("cluster3", "empty", CREATED, None, None),
    ]
