"""Namespaces whose pods get a sidecar, as the webhooks of the chart istiod 1.32-dev select them."""

from typing import Any

import pytest

from live.policy.injection import selectors, selects

NOT_REFUSED = {"matchExpressions": [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]}


def absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}


def one_of(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def webhook(namespaces: list[dict[str, Any]], pods: dict[str, Any]) -> dict[str, Any]:
    return {"namespaceSelector": {"matchExpressions": namespaces}, "objectSelector": pods}


def injector(revision: str, *webhooks: dict[str, Any]) -> dict[str, Any]:
    name = f"istio-sidecar-injector-{revision}"
    return {"metadata": {"name": name, "labels": {"app": "sidecar-injector"}}, "webhooks": list(webhooks)}


DEFAULT = injector(
    "default",
    webhook([one_of("istio.io/rev", "default"), absent("istio-injection")], NOT_REFUSED),
    webhook(
        [absent("istio.io/rev"), absent("istio-injection")], {"matchExpressions": [one_of("istio.io/rev", "default")]}
    ),
    webhook([one_of("istio-injection", "enabled")], NOT_REFUSED),
    webhook([absent("istio-injection"), absent("istio.io/rev")], {"matchLabels": {"sidecar.istio.io/inject": "true"}}),
)
CANARY = injector("canary", webhook([one_of("istio.io/rev", "canary"), absent("istio-injection")], NOT_REFUSED))
OTHER = {"metadata": {"name": "vault"}, "webhooks": [webhook([], {})]}


@pytest.mark.parametrize(
    ("labels", "injected"),
    [
        ({}, False),
        ({"istio-injection": "enabled"}, True),
        ({"istio-injection": "disabled"}, False),
        ({"istio.io/rev": "default"}, True),
        ({"istio.io/rev": "canary"}, True),
        ({"istio.io/rev": "canray"}, False),
        ({"istio-injection": "disabled", "istio.io/rev": "default"}, False),
    ],
)
def test_a_namespace_is_injected_if_a_webhook_of_istio_selects_it(labels: dict[str, str], injected: bool) -> None:
    assert any(selects(s, labels) for s in selectors([DEFAULT, CANARY, OTHER])) is injected


@pytest.mark.parametrize(
    ("labels", "injected"),
    [
        ({}, False),
        ({"istio-injection": "enabled"}, True),
        ({"istio.io/rev": "default"}, True),
        ({"istio.io/rev": "x"}, False),
    ],
)
def test_before_istio_is_there_a_namespace_counts_as_the_default_revision_will_take_it(
    labels: dict[str, str], injected: bool
) -> None:
    assert any(selects(s, labels) for s in selectors([OTHER])) is injected


def test_namespaces_without_a_label_are_injected_where_istio_is_told_so() -> None:
    everywhere = injector(
        "default", webhook([{"key": "name", "operator": "NotIn", "values": ["kube-system"]}], NOT_REFUSED)
    )
    found = selectors([everywhere])
    assert any(selects(s, {}) for s in found)
    assert not any(selects(s, {"name": "kube-system"}) for s in found)
