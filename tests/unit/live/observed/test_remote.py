"""Kubeconfigs that were read out of a cluster: data, and nothing that is run."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from live.observed.remote import remote_kubeconfig
from tests.authority import root


def encoded(user: dict[str, Any], **cluster: Any) -> str:
    """A kubeconfig as a Secret holds it."""
    document = {
        "current-context": "cluster2",
        "clusters": [{"name": "cluster2", "cluster": {"server": "https://198.51.100.12:6443", **cluster}}],
        "contexts": [{"name": "cluster2", "context": {"cluster": "cluster2", "user": "cluster2"}}],
        "users": [{"name": "cluster2", "user": user}],
    }
    return base64.b64encode(yaml.safe_dump(document).encode()).decode()


def jwt(**claims: Any) -> str:
    """A token with these claims."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "signature"])


def test_server_authority_and_the_end_of_the_token_are_told_and_the_token_is_not() -> None:
    token, authority = jwt(exp=1800000000), root("mesh root")
    data = base64.b64encode(authority.pem.encode()).decode()
    held = remote_kubeconfig("cluster2", encoded({"token": token}, **{"certificate-authority-data": data}))
    assert (held.cluster, held.server, held.problem) == ("cluster2", "https://198.51.100.12:6443", "")
    assert held.expires == datetime.fromtimestamp(1800000000, UTC)
    assert held.token == hashlib.sha256(token.encode()).hexdigest()
    assert len(held.authority) == 1
    assert token not in repr(held)


def test_a_program_is_a_problem_and_is_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "was-run"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(witness)]}
    held = remote_kubeconfig("cluster2", encoded({"exec": plugin}))
    assert "names a program to run" in held.problem
    assert not witness.exists()


def test_no_object_of_python_is_made_of_yaml(tmp_path: Path) -> None:
    witness = tmp_path / "was-run"
    text = f"!!python/object/apply:os.system ['touch {witness}']"
    held = remote_kubeconfig("cluster2", base64.b64encode(text.encode()).decode())
    assert held.problem == "it is no kubeconfig with a context in use"
    assert not witness.exists()


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ({"auth-provider": {"name": "gcp"}}, "auth-provider gcp"),
        ({"tokenFile": "/etc/passwd"}, "names a file (tokenFile)"),
        ({"client-key": "/key", "client-certificate-data": "YQ=="}, "names a file (client-key)"),
        ({}, "no credentials"),
    ],
)
def test_what_istiod_refuses_is_a_problem(user: dict[str, Any], problem: str) -> None:
    assert problem in remote_kubeconfig("cluster2", encoded(user)).problem


def test_what_istiod_takes_is_none() -> None:
    for user in ({"token": "opaque"}, {"client-certificate-data": "YQ=="}, {"auth-provider": {"name": "oidc"}}):
        assert remote_kubeconfig("cluster2", encoded(user)).problem == ""


@pytest.mark.parametrize("text", ["", "[]", "token: SECRET", "clusters: [}", "current-context: gone"])
def test_what_is_no_kubeconfig_is_a_problem_whose_message_quotes_nothing_of_it(text: str) -> None:
    held = remote_kubeconfig("cluster2", base64.b64encode(text.encode()).decode())
    assert held.problem == "it is no kubeconfig with a context in use"
    assert "SECRET" not in repr(held)


def test_an_authority_that_is_no_certificate_is_a_problem() -> None:
    held = remote_kubeconfig("cluster2", encoded({"token": "a"}, **{"certificate-authority-data": "bm8="}))
    assert held.problem == "its certificate-authority-data is no certificate in PEM"
