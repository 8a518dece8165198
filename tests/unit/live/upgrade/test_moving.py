"""Namespaces that go over to another revision, and the list of who goes by which."""

from typing import Any

import pytest

from live.upgrade import moving
from live.upgrade.listing import listed
from tests.unit.live.policy.api_server import FakeApiServer
from tests.unit.live.upgrade.test_survey import pod, two_istiods
from topology import load_mesh


def test_a_label_names_the_revision_and_the_elder_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "SETTLE_SECONDS", 0)
    server = FakeApiServer({"/api/v1/namespaces": [{"metadata": {"name": name}} for name in ("shop", "bank")]})
    with server.access("cluster1") as access:
        assert moving.present(access, ["bank", "shelf"]) == ["bank"]
        moving.label(access, ["bank"], "canary")
    (patch,) = [asked for asked in server.asked if asked.method == "PATCH"]
    assert patch.path == "/api/v1/namespaces/bank"
    assert patch.body == {"metadata": {"labels": {"istio.io/rev": "canary", "istio-injection": None}}}


def test_proxies_are_listed_with_the_istiod_that_made_them_be_it_gone() -> None:
    server = two_istiods()
    pods: list[dict[str, Any]] = []
    for name, revision in (("a", "default"), ("b", "1-24-1"), ("c", "1-24-1"), ("d", "gone")):
        each = pod(name, "hub/proxyv2:1.22.3", owner=None)
        each["metadata"]["annotations"] = {"istio.io/rev": revision}
        pods.append(each)
    server.answers["/api/v1/pods"] = pods
    mesh = load_mesh(
        {
            "istio": {
                "version": "1.24.1",
                "revision": "1-24-1",
                "revisions": [{"name": "default", "version": "1.23.0"}],
                "tags": {"prod": "default"},
            },
            "clusters": [{"name": "cluster1", "network": "network1", "apiServer": "https://203.0.113.1:6443"}],
        }
    )
    with server.access("cluster1") as access:
        new, old, gone = listed(mesh, {"cluster1": access})["cluster1"]
    assert (new.name, new.default, new.gateways, new.proxies) == (
        "1-24-1",
        True,
        ("istio-ingressgateway",),
        {"shop": 2},
    )
    assert (old.declared, old.present, old.tags, old.proxies) == ("1.23.0", "1.22.3", ("prod",), {"shop": 1})
    assert (gone.declared, gone.present, gone.pods, gone.proxies) == ("", "", 0, {"shop": 1})
