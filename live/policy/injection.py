"""Whether pods made in a namespace get a sidecar: asked of the webhooks that do it."""

from collections.abc import Mapping, Sequence
from typing import Any

Selector = Mapping[str, Any]
INJECTOR = "sidecar-injector"
# What the chart istiod makes for the revision `default`, for a cluster that has no injector yet:
# https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/#controlling-the-injection-policy
BEFORE_INSTALL: tuple[Selector, ...] = (
    {"matchLabels": {"istio-injection": "enabled"}},
    {
        "matchLabels": {"istio.io/rev": "default"},
        "matchExpressions": [{"key": "istio-injection", "operator": "DoesNotExist"}],
    },
)


def selectors(injectors: Sequence[Mapping[str, Any]]) -> tuple[Selector, ...]:
    """The namespaces whose pods are injected without a label of their own, as each webhook selects them.

    Args:
        injectors: every MutatingWebhookConfiguration of the cluster; Istio's are told by ``app: sidecar-injector``.
    """
    found = [
        webhook.get("namespaceSelector") or {}
        for configuration in injectors
        if (configuration["metadata"].get("labels") or {}).get("app") == INJECTOR
        for webhook in configuration.get("webhooks") or []
        if selects(webhook.get("objectSelector") or {}, {})
    ]
    return tuple(found) or BEFORE_INSTALL


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether labels fit a selector of Kubernetes.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """
    wanted = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _meets(each, labels) for each in selector.get("matchExpressions") or []
    )


def _meets(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
