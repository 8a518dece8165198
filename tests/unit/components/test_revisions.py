"""Several istiods in one cluster: their releases, and the webhooks that lead to them."""

from typing import Any

import pytest

from components import Mesh, MeshArgs
from components import root_ca as root_ca_module
from components.providers import cluster_provider
from tests.unit.components.recording import Recorder, record
from topology import load_mesh

NAMES = ("cluster1", "cluster2")
NEW = {"name": "1-31-2", "version": "1.31.2"}
OLD = {"name": "default", "version": "1.29.4"}
PLAIN = {"version": "1.29.4"}
BESIDE = {"version": "1.29.4", "revisions": [NEW], "tags": {"prod": "default", "canary": "1-31-2"}}
SWAPPED = {"version": "1.31.2", "revision": "1-31-2", "revisions": [OLD], "tags": {"prod": "default"}}
ALONE = {"version": "1.31.2", "revision": "1-31-2"}
RELEASE = "mesh-cluster1-control-plane-{}"


@pytest.fixture(autouse=True)
def no_real_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_ca_module, "sha256_fingerprint", lambda pem: f"sha256 of {pem}")


def recorded(istio: dict[str, Any]) -> Recorder:
    clusters = [
        {
            "name": name,
            "network": f"network{n}",
            "apiServer": f"https://203.0.113.1{n}:6443",
            "istio": istio if name == "cluster1" else PLAIN,
        }
        for n, name in enumerate(NAMES, start=1)
    ]

    def program() -> Any:
        providers = {name: cluster_provider(name, f"kubeconfig of {name}", False) for name in NAMES}
        declared = load_mesh({"clusters": clusters})
        return Mesh("mesh", MeshArgs(declared, providers)).summary(declared)

    return record(program)[0]


def releases(recorder: Recorder) -> dict[str, dict[str, Any]]:
    """By Pulumi's name, the releases of cluster1."""
    return {r.name: r.inputs for r in recorder.of("Release") if "cluster1" in r.name}


def webhooks(recorder: Recorder, tag: str) -> dict[str, Any]:
    return recorder.named(RELEASE.format(f"tag-{tag}-webhooks")).inputs


def test_without_revisions_everything_is_as_the_chart_has_it() -> None:
    recorder = recorded(PLAIN)
    made = releases(recorder)
    assert set(made) == {RELEASE.format("base"), RELEASE.format("istiod")}
    values = made[RELEASE.format("istiod")]["values"]
    assert "revision" not in values and "operatorManageWebhooks" not in values["global"]
    assert not made[RELEASE.format("base")].get("values")
    assert recorder.of("MutatingWebhookConfiguration") == []


def test_each_revision_is_a_release_whose_name_does_not_change_with_the_default() -> None:
    names = {RELEASE.format("base"), RELEASE.format("istiod"), RELEASE.format("istiod-1-31-2")}
    for istio, default in ((BESIDE, None), (SWAPPED, "1-31-2")):
        made = releases(recorded(istio))
        assert set(made) == names
        old, new = made[RELEASE.format("istiod")], made[RELEASE.format("istiod-1-31-2")]
        assert (old["name"], old["version"], old["values"]["global"]["tag"]) == ("istiod", "1.29.4", "1.29.4")
        assert (new["name"], new["version"], new["values"]["global"]["tag"]) == ("istiod-1-31-2", "1.31.2", "1.31.2")
        assert (old["values"].get("revision"), new["values"]["revision"]) == (None, "1-31-2")
        base = made[RELEASE.format("base")]
        assert base["version"] == "1.31.2"
        assert (base.get("values") or {}).get("defaultRevision") == default
    assert set(releases(recorded(ALONE))) == names - {RELEASE.format("istiod")}


def test_what_names_no_revision_goes_to_the_default_one_by_a_single_object() -> None:
    for istio, service in ((BESIDE, "istiod"), (SWAPPED, "istiod-1-31-2"), (ALONE, "istiod-1-31-2")):
        made = webhooks(recorded(istio), "default")
        assert made["metadata"]["name"] == "istio-revision-tag-default"
        assert made["metadata"]["labels"]["istio.io/rev"] == ("default" if service == "istiod" else "1-31-2")
        assert {each["clientConfig"]["service"]["name"] for each in made["webhooks"]} == {service}
        assert {each["failurePolicy"] for each in made["webhooks"]} == {"Fail"}
        assert all("caBundle" not in each["clientConfig"] for each in made["webhooks"])


def test_the_istiod_without_a_revision_gives_up_its_own_webhooks_once_the_tag_stands() -> None:
    for istio in (BESIDE, SWAPPED):
        recorder = recorded(istio)
        assert releases(recorder)[RELEASE.format("istiod")]["values"]["global"]["operatorManageWebhooks"] is True
        named = releases(recorder)[RELEASE.format("istiod-1-31-2")]["values"]["global"]
        assert "operatorManageWebhooks" not in named
        names = [each.name for each in recorder.resources]
        assert names.index(RELEASE.format("tag-default-webhooks")) < names.index(RELEASE.format("istiod"))


def test_a_tag_stands_for_its_revision_and_is_for_its_own_label_only() -> None:
    recorder = recorded(BESIDE)
    assert {each.inputs["metadata"]["name"] for each in recorder.of("MutatingWebhookConfiguration")} == {
        f"istio-revision-tag-{tag}" for tag in ("default", "prod", "canary")
    }
    canary = webhooks(recorder, "canary")
    assert canary["metadata"]["labels"]["istio.io/tag"] == "canary"
    assert [each["name"] for each in canary["webhooks"]] == [
        "rev.namespace.sidecar-injector.istio.io",
        "rev.object.sidecar-injector.istio.io",
    ]
    assert {each["clientConfig"]["service"]["name"] for each in canary["webhooks"]} == {"istiod-1-31-2"}


def test_gateways_ask_for_the_default_revision_by_name() -> None:
    def labels(istio: dict[str, Any]) -> dict[str, str]:
        gateway = recorded(istio).named("mesh-cluster1-east-west-gateway-deployment").inputs
        found: dict[str, str] = gateway["spec"]["template"]["metadata"]["labels"]
        return found

    assert "istio.io/rev" not in labels(PLAIN) and "istio.io/rev" not in labels(BESIDE)
    assert labels(BESIDE) == labels(PLAIN)
    swapped = labels(SWAPPED)
    assert (swapped["istio.io/rev"], swapped["app.kubernetes.io/version"]) == ("1-31-2", "1.31.2")


def test_who_is_read_lets_every_istiod_of_a_reader_read_its_own_settings() -> None:
    role = recorded(BESIDE).named("mesh-links-cluster2-readers-mesh-role").inputs
    assert role["rules"][0]["resourceNames"] == ["istio", "istio-1-31-2"]
