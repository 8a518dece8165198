"""Who may read which cluster, by which token, and what the reading cluster is given."""

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
import yaml

from components.links import Access, Links, LinksArgs
from components.providers import cluster_provider
from components.reader_rights import IN_THE_CLUSTER, in_istio_system, rules
from components.remote_readers import Reader
from components.remote_secret import Peer, remote_kubeconfig
from tests.unit.components.recording import FAKE_TOKEN, Recorder, Registered, opened, record
from topology import links, load_mesh
from topology.revisions import Revision

CLUSTERS = ["cluster1", "cluster2", "cluster3"]
SERVER = {"url": "https://203.0.113.12:6443", "tlsServerName": "api.cluster2.example"}


def recorded(in_use: Any = None, preview: bool = False, **changes: Any) -> Recorder:
    declared = load_mesh(
        {
            "clusters": [
                {
                    "name": name,
                    "network": f"network{n}",
                    "apiServer": {"url": f"https://203.0.113.1{n}:6443", **changes.get(f"server{n}", {})},
                    "access": {"rotate": changes.get(f"rotate{n}", "")},
                    "istio": {"version": changes.get("version", "1.30.5")},
                }
                for n, name in enumerate(CLUSTERS, start=1)
            ],
            "access": {"rotate": changes.get("rotate", "")},
            "links": changes.get("links", "full"),
        }
    )

    def program() -> Any:
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in CLUSTERS}
        args = LinksArgs(
            mesh=declared,
            links=links(declared),
            providers=providers,
            namespaces=providers,
            readable={},
            access=Access({"cluster2": "PRIVATE CA"}, in_use),
        )
        Links("links", args)
        return {}

    return record(program, preview=preview)[0]


def remote_secrets(recorder: Recorder) -> dict[str, dict[str, Any]]:
    """By the reader's name and the peer's, the kubeconfig."""
    return {
        r.name.removeprefix("links-").removesuffix("-remote-secret"): {
            peer: yaml.safe_load(text) for peer, text in opened(r.inputs["stringData"]).items()
        }
        for r in recorder.of("Secret")
        if r.inputs["metadata"]["name"] == "istio-remote-clusters"
    }


def token_secrets(recorder: Recorder) -> dict[tuple[str, str], Registered]:
    """By the name of the cluster that is read and the Secret's."""
    return {
        (r.provider.rsplit("::", 2)[-2], r.inputs["metadata"]["name"]): r
        for r in recorder.of("Secret")
        if r.inputs.get("type") == "kubernetes.io/service-account-token"
    }


def test_every_reader_has_its_own_account_and_token_in_every_peer_and_they_share_one_role() -> None:
    recorder = recorded()
    assert set(token_secrets(recorder)) == {
        (peer, f"istio-reader-{reader}-token") for peer in CLUSTERS for reader in CLUSTERS if peer != reader
    }
    for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"):
        assert [r.inputs["metadata"]["name"] for r in recorder.of(kind)] == ["istio-remote-reader"] * len(CLUSTERS)
    for binding in [*recorder.of("ClusterRoleBinding"), *recorder.of("RoleBinding")]:
        own = binding.provider.rsplit("::", 2)[-2]
        subjects = {subject["name"] for subject in binding.inputs["subjects"]}
        assert subjects == {f"istio-reader-{reader}" for reader in CLUSTERS if reader != own}


def test_a_reader_may_list_and_watch_and_nothing_else() -> None:
    rules = [rule for kind in ("ClusterRole", "Role") for r in recorded().of(kind) for rule in r.inputs["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list", "watch"}
    assert not any("*" in rule["resources"] or "*" in rule["apiGroups"] for rule in rules)


@pytest.mark.parametrize(
    ("versions", "more"),
    [
        (["1.22.3", "1.28.10"], set()),
        (["1.28.10", "1.29.0"], {"configmaps"}),
        (["1.22.3", "1.30.0"], {"configmaps", "gateways"}),
        (["1.32-dev"], {"configmaps", "gateways"}),
        (["latest"], {"configmaps", "gateways"}),
    ],
)
def test_the_role_serves_the_newest_of_its_readers(versions: list[str], more: set[str]) -> None:
    granted: list[Any] = [
        rule for rights in (IN_THE_CLUSTER, in_istio_system(["default"])) for rule in rules(rights, versions)
    ]
    found = {resource for rule in granted for resource in rule.resources}
    assert found & {"configmaps", "gateways"} == more
    assert {"services", "endpointslices", "secrets"} <= found


def test_dropping_a_link_takes_one_reader_from_one_peer_only() -> None:
    everyone, without = (
        recorded(),
        recorded(
            links=[
                {"reader": "cluster1", "peers": ["cluster2"]},
                {"reader": "cluster2", "peers": ["cluster1", "cluster3"]},
                {"reader": "cluster3", "peers": ["cluster1", "cluster2"]},
            ]
        ),
    )
    assert set(token_secrets(everyone)) - set(token_secrets(without)) == {("cluster3", "istio-reader-cluster1-token")}
    assert set(remote_secrets(without)["cluster1"]) == {"cluster2"}


def test_the_meshs_knob_names_every_token_anew_and_a_readers_own_knob_its_own() -> None:
    before = set(token_secrets(recorded()))
    assert not before & set(token_secrets(recorded(rotate="2026-11")))
    own = set(token_secrets(recorded(rotate1="after the incident")))
    assert {name for peer, name in before - own} == {"istio-reader-cluster1-token"}
    both = set(token_secrets(recorded(rotate="2026-11", rotate1="after the incident")))
    assert not both & (own | before)
    assert set(token_secrets(recorded(rotate="2026-11"))) == set(token_secrets(recorded(rotate="2026-11")))


def test_a_peer_is_reached_at_its_url_under_its_tls_name_and_by_the_url_of_that_reader() -> None:
    secrets = remote_secrets(recorded(server2={**SERVER, "readers": {"cluster3": "https://10.0.0.2:6443"}}))
    as_cluster1, as_cluster3 = (
        secrets[reader]["cluster2"]["clusters"][0]["cluster"] for reader in ("cluster1", "cluster3")
    )
    assert as_cluster1["server"] == "https://203.0.113.12:6443"
    assert as_cluster3["server"] == "https://10.0.0.2:6443"
    assert {c["tls-server-name"] for c in (as_cluster1, as_cluster3)} == {"api.cluster2.example"}
    assert "tls-server-name" not in secrets["cluster1"]["cluster3"]["clusters"][0]["cluster"]


def test_a_given_ca_stands_in_place_of_the_clusters_own() -> None:
    read = remote_secrets(recorded())["cluster1"]
    given, own = (
        read[peer]["clusters"][0]["cluster"]["certificate-authority-data"] for peer in ("cluster2", "cluster3")
    )
    assert base64.b64decode(given) == b"PRIVATE CA"
    assert own == FAKE_TOKEN["ca.crt"]


def test_a_program_ends_only_when_every_reader_is_known_to_use_its_tokens() -> None:
    asked: dict[str, Mapping[str, str]] = {}

    async def in_use(reader: str, tokens: Mapping[str, str]) -> None:
        asked[reader] = tokens

    recorded(in_use, rotate1="new")
    assert set(asked) == set(CLUSTERS)
    assert asked["cluster2"] == {"cluster1": "istio-reader-cluster2-token", "cluster3": "istio-reader-cluster2-token"}
    assert asked["cluster1"]["cluster2"] == Reader("cluster1", (Revision("default", "1.30.5"),), "\nnew").token_secret


def test_a_program_fails_when_a_reader_still_uses_another_token() -> None:
    async def in_use(reader: str, _tokens: Mapping[str, str]) -> None:
        if reader == "cluster3":
            raise pulumi.RunError("cluster3 lags behind")

    with pytest.raises(pulumi.RunError, match="cluster3 lags behind"):
        recorded(in_use)


def test_a_preview_waits_for_nothing() -> None:
    async def in_use(reader: str, _tokens: Mapping[str, str]) -> None:
        raise AssertionError(reader)

    recorded(in_use, preview=True)


def test_an_unfilled_token_secret_is_refused_by_the_clusters_name() -> None:
    def program() -> Any:
        empty: pulumi.Output[Mapping[str, str]] = pulumi.Output.from_input({})
        peer = Peer("cluster2", "https://203.0.113.12:6443", None, None, "istio-reader-cluster1-token", empty)
        return remote_kubeconfig(peer, {})

    with pytest.raises(ValueError, match=r"cluster cluster2: the token Secret istio-reader-cluster1-token .* empty"):
        record(program)
