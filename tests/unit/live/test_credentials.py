"""When the credentials of a kubeconfig end."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from live.credentials import credentials_end
from live.kubeconfig import ClusterAccess
from tests.authority import root

ROOT = root("Root")
CERTIFICATE = ROOT.issue("admin", ca=False, days=30)
CLAIMS = base64.urlsafe_b64encode(json.dumps({"exp": 1_800_000_000}).encode()).decode().rstrip("=")
TOKEN = f"e30.{CLAIMS}.c2ln"


def end(user: dict[str, Any]) -> datetime | None:
    return credentials_end(ClusterAccess("cluster1", {"users": [{"name": "admin", "user": user}]}))


def test_a_client_certificate_says_it_in_the_kubeconfig_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "admin.crt").write_text(CERTIFICATE.pem)
    within = end({"client-certificate-data": base64.b64encode(CERTIFICATE.pem.encode()).decode()})
    assert within is not None
    assert abs(within - datetime.now(UTC) - timedelta(days=30)) < timedelta(days=1)
    assert end({"client-certificate": str(tmp_path / "admin.crt")}) == within


def test_a_token_says_it_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert end({"token": TOKEN}) == end({"tokenFile": str(tmp_path / "token")}) == datetime.fromtimestamp(1.8e9, UTC)


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"token": "opaque"},
        {"exec": {"command": "aws"}},
        {"client-certificate-data": "no base64"},
        {"client-certificate": "/nowhere/admin.crt"},
        {"tokenFile": "/nowhere/token"},
    ],
    ids=lambda user: ", ".join(user) or "none",
)
def test_others_do_not(user: dict[str, Any]) -> None:
    assert end(user) is None
