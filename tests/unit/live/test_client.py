"""A client's certificates and keys: readable by TLS, never on the disk."""

import base64
import tempfile
from pathlib import Path

import pytest

from live.client import api_client
from live.kubeconfig import ClusterAccess

PARTS = {"certificate-authority": "CA", "client-certificate": "CERTIFICATE", "client-key": "KEY"}


def access() -> ClusterAccess:
    data = {f"{name}-data": base64.b64encode(text.encode()).decode() for name, text in PARTS.items()}
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": data.pop("certificate-authority-data")}
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "a", "user": data}],
    }
    return ClusterAccess("cluster1", document)


def test_certificates_and_keys_are_readable_while_the_client_is_open_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened = access()
    with api_client(opened) as api:
        used = api.configuration
        files = [used.ssl_ca_cert, used.cert_file, used.key_file]
        assert [Path(file).read_text() for file in files] == list(PARTS.values())
        assert list(tmp_path.rglob("*")) == []
    assert not any(Path(file).exists() and Path(file).read_text() in PARTS.values() for file in files)
    assert opened.document["users"][0]["user"]["client-key-data"]
