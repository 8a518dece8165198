"""Secrets in every disguise are masked, and what tells of a mesh stays."""

import base64
import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from live.bundle.masker import Masker
from tests.authority import root

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL


def pem(key: Key, form: PrivateFormat = PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def body(text: str) -> list[str]:
    """The lines of a key that are secret."""
    return [line for line in text.splitlines() if line and not line.startswith("-----")]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def jwt(header: dict[str, str] | None = None) -> str:
    parts = [header or {"alg": "RS256", "kid": "k"}, {"iss": "kubernetes/serviceaccount", "sub": "reader"}]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl-_" * 10])


EC = pem(ec.generate_private_key(ec.SECP256R1()))
RSA = pem(rsa.generate_private_key(65537, 2048), TRADITIONAL)
KEYS = {
    "ec, pkcs 8": EC,
    "ec": pem(ec.generate_private_key(ec.SECP256R1()), TRADITIONAL),
    "p-384": pem(ec.generate_private_key(ec.SECP384R1()), TRADITIONAL),
    "p-521, pkcs 8": pem(ec.generate_private_key(ec.SECP521R1())),
    "rsa": RSA,
    "rsa, pkcs 8": pem(rsa.generate_private_key(65537, 2048)),
    "ed25519": pem(ed25519.Ed25519PrivateKey.generate()),
    "ed25519, openssh": pem(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.OpenSSH),
    "encrypted": ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"x"))
    .decode(),
}
DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a log": lambda key: f"2026-11-23T03:00:00Z info ca loaded {key} and went on",
    "each line with its time": lambda key: "\n".join(f"2026-11-23T03:00:00.1Z {line}" for line in key.splitlines()),
    "cut off": lambda key: key[: len(key) * 3 // 4],
    "as json": lambda key: json.dumps({"a": {"b": [key]}}),
    "as json in json": lambda key: json.dumps({"message": json.dumps({"text": key})}),
    "as yaml": lambda key: yaml.safe_dump({"tls": {"inner": key}}),
    "base64": b64,
    "base64 twice": lambda key: b64(b64(key)),
    "base64 of a larger text": lambda key: b64(f"a{key}"),
    "base64 in lines": lambda key: base64.encodebytes(key.encode()).decode(),
    "base64 in escaped lines": lambda key: json.dumps(base64.encodebytes(key.encode()).decode())[1:-1],
    "base64 after a path": lambda key: f"file /a/b/{b64(key)}",
    "base64 for urls": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "percent encoded": lambda key: key.replace(" ", "%20").replace("\n", "%0A"),
    "hex": lambda key: key.encode().hex(),
    "compressed": lambda key: base64.b64encode(gzip.compress(key.encode() * 3)).decode(),
}


def traces(key: str, disguise: Callable[[str], str]) -> set[str]:
    """What of a key must not be left: any sixteen characters of it, as the disguise writes them."""
    text = disguise(key)
    pieces = {line[i : i + 16] for line in body(key) for i in range(0, len(line) - 15, 8)}
    if not any(piece in text for piece in pieces):
        return {text[i : i + 16] for i in range(48, len(text) - 15, 16)}
    return pieces


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_no_part_of_a_private_key_is_left(key: str, disguise: Callable[[str], str]) -> None:
    for masked in (Masker().text(disguise(key)), Masker().document({"data": {"x": disguise(key)}})["data"]["x"]):
        assert not [piece for piece in traces(key, disguise) if piece in masked]


def test_a_key_without_its_frame_is_known_by_how_its_bytes_begin() -> None:
    for name, key in KEYS.items():
        if name in {"ed25519, openssh", "encrypted"}:
            continue
        assert "".join(body(key))[10:30] not in Masker().text("found " + "".join(body(key))), name


def test_a_key_whose_lines_are_items_of_a_list_is_masked() -> None:
    masked = json.dumps(Masker().document({"lines": RSA.splitlines()}))
    assert not [line for line in body(RSA) if line in masked]


def test_a_known_secret_is_found_by_its_bytes_where_nothing_else_tells_of_it() -> None:
    known = "correct horse battery"
    masker = Masker([known, RSA, b64(EC)])
    middle = body(RSA)[5]
    texts = [
        f"said {known}.",
        json.dumps(f"x{known}"),
        b64(f"zz {known} and more of it"),
        f"line: {middle}",
        body(EC)[1],
    ]
    masked = "\n".join(masker.text(text) for text in texts)
    for secret in (known, middle, body(EC)[1], b64(f"zz {known}")[4:20]):
        assert secret not in masked


@pytest.mark.parametrize(
    "text",
    [
        jwt(),
        f"Authorization: Bearer {jwt()}",
        f"token={jwt()}&x=1",
        b64(jwt()),
        b64(f'{{"token": "{jwt()}"}}'),
        jwt({"alg": "dir", "enc": "A256GCM"}) + "..x",
        f"failed to list: the token was {jwt()}, unauthorized",
    ],
)
def test_json_web_tokens_are_masked(text: str) -> None:
    masked = Masker().text(text)
    assert "c2lnbmF0dXJl" not in masked
    assert text[20:60] not in masked


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("'authorization', 'Bearer 8f14e45fceea167a'", "8f14e45fceea167a"),
        ('{"Proxy-Authorization":"Digest username=u, response=abcd"}', "abcd"),
        ("':authority', 'a'\n'cookie', 'session=0a1b2c; other=1'", "0a1b2c"),
        ("Set-Cookie: id=hunter2", "hunter2"),
        ("postgres://user:hunter2@db:5432/x", "hunter2"),
        ("DB_PASSWORD=hunter2", "hunter2"),
        ("password: hunter", "hunter"),
        ('secret="hunter"', "hunter"),
        ("--password hunter2 --host db", "hunter2"),
        ("client_secret=hunter2&grant_type=x", "hunter2"),
        ("apiKey: 'hunter'", "hunter"),
        ('local token = "hunter"', "hunter"),
        ("key AKIAIOSFODNN7EXAMPLE here", "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_0123456789abcdefghij"),
        ('"GET /login?code=hunter&x=1 HTTP/1.1" 200', "hunter"),
    ],
)
def test_credentials_in_running_text_are_masked(text: str, secret: str) -> None:
    assert secret not in Masker().text(text)
    assert secret not in json.dumps(Masker().document({"log": text}))


HIDDEN = "hunter-hunter"


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "Secret", "data": {"any": HIDDEN}, "stringData": {"thing": HIDDEN}},
        {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "data": {"a": HIDDEN}}]},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":"{HIDDEN}"}}'}}},
        {"metadata": {"managedFields": [{"manager": "x", "fieldsV1": {f'v:"{HIDDEN}"': {}}}]}},
        {"containers": [{"name": "app", "env": [{"name": "GREETING", "value": HIDDEN}]}]},
        {"containers": [{"name": "app", "command": ["x", HIDDEN], "args": [HIDDEN]}]},
        {"initContainers": [{"name": "istio-init", "env": [{"name": "DB_PASSWORD", "value": HIDDEN}]}]},
        {"containers": [{"name": "istio-proxy", "args": ["--token", HIDDEN]}]},
        {"users": [{"user": {"token": HIDDEN, "client-key-data": HIDDEN, "auth-provider": {"id-token": HIDDEN}}}]},
        {"tls_certificate": {"private_key": {"inline_string": HIDDEN}}},
        {"generic_secret": {"secret": {"inline_bytes": HIDDEN}}},
        {"session_ticket_keys": {"keys": [{"inline_bytes": HIDDEN}]}},
        {"request_headers_to_add": [{"header": {"key": "x-api-key", "value": HIDDEN}}]},
        {"headers": {"request": {"set": {"Authorization": HIDDEN}}}},
        {"match": [{"headers": {"authorization": {"exact": HIDDEN}}}]},
        {"httpHeaders": [{"name": "X-Auth-Token", "value": HIDDEN}]},
        {
            "env": [
                {"name": "ISTIO_KUBE_APP_PROBERS", "value": f'{{"h":[{{"name":"Authorization","value":"{HIDDEN}"}}]}}'}
            ]
        },
        {"jwks": f'{{"keys":[{{"kty":"oct","k":"{HIDDEN}"}}]}}'},
        {"jwks": {"keys": [{"kty": "EC", "d": HIDDEN, "x": "public"}]}},
        {"spec": {"pluginConfig": {"rules": [{"anything": HIDDEN}]}}},
        {"auths": {"registry": {"auth": HIDDEN}}},
        {".dockerconfigjson": HIDDEN},
        {"tls.key": HIDDEN, "ca-key.pem": HIDDEN},
        {"data": {"settings.yaml": f"database:\n  password: >\n    {HIDDEN}\n"}},
        {"data": {"settings.yaml": f"clientSecret: {HIDDEN}"}},
        {"kind": "ConfigMap", "binaryData": {"x": HIDDEN}},
        {"credentials": ["user", HIDDEN]},
        {"credentials": {"nested": {"deeper": HIDDEN}}},
        {f"password={HIDDEN}": 1},
    ],
)
def test_fields_that_hold_secrets_are_masked(document: dict[str, Any]) -> None:
    assert HIDDEN not in json.dumps(Masker().document(document))


def test_a_password_that_is_a_number_is_masked() -> None:
    masked = Masker().document({"password": 12345678, "passwordRequired": True, "tokens": 5})
    assert 12345678 not in masked.values()
    assert masked["tokens"] == 5


def test_what_tells_of_a_mesh_stays() -> None:
    certificate = root().pem
    document = {
        "metadata": {"name": "istiod", "labels": {"istio.io/rev": "default"}, "managedFields": [{"manager": "helm"}]},
        "spec": {
            "automountServiceAccountToken": True,
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [
                {
                    "name": "discovery",
                    "args": ["discovery", "--monitoringAddr=:15014", "--log_output_level=default:info"],
                    "env": [
                        {"name": "JWT_POLICY", "value": "third-party-jwt"},
                        {"name": "CLUSTER_ID", "value": "cluster1"},
                    ],
                },
                {
                    "name": "app",
                    "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
                },
            ],
            "volumes": [
                {"name": "cacerts", "secret": {"secretName": "cacerts", "optional": True}},
                {"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": {"audience": "istio-ca"}}]}},
            ],
        },
        "clusterz": [{"id": "cluster2", "secretName": "istio-system/istio-remote-clusters", "syncStatus": "synced"}],
        "dynamic_active_secrets": [
            {"name": "default", "secret": {"@type": "type.googleapis.com/x.Secret", "name": "default"}}
        ],
        "validation_context": {"trusted_ca": {"inline_bytes": b64(certificate)}, "plain": certificate},
        "fingerprint": "ab" * 32,
        "events": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "log": "info\tkube\tAdding cluster cluster2 from secret=istio-system/istio-remote-clusters\n"
        "warn\tinvalid token: signature is wrong",
        "cluster": "outbound|5000||helloworld.sample.svc.cluster.local",
        "configmap": "# kept\ntrustDomain: cluster.local\n",
    }
    assert Masker().document(document) == document


def test_one_secret_has_one_mask_within_a_bundle_and_another_in_the_next() -> None:
    masker = Masker()
    one, two = masker.document([{"token": "a" * 20}, {"password": "a" * 20}])
    assert one["token"] == two["password"] != masker.document({"token": "b" * 20})["token"]
    assert one["token"] != Masker().document({"token": "a" * 20})["token"]


def test_masking_twice_changes_nothing_more() -> None:
    masker = Masker()
    for text in (f"Authorization: Bearer {jwt()}", "password=hunter2 token: 'a1b2c3d4'", b64(RSA), "x://u:pass1@h"):
        once = masker.text(text)
        assert masker.text(once) == once


def test_hostile_texts_take_no_longer_than_others() -> None:
    started = time.process_time()
    masker = Masker([RSA])
    for text in ("a" * 300_000, "A-" * 150_000, "-----BEGIN " * 20_000, "token" * 50_000, "{" * 50_000, "ey" * 100_000):
        masker.text(text)
        masker.document({"x": text})
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"c{i}: &c{i} [*b, *b]\n" for i in range(30))
    masker.document({"x": bomb})
    nested: Any = "x"
    for _ in range(100_000):
        nested = [nested]
    assert "nested too deeply" in masker.document(nested)
    assert time.process_time() - started < 60
