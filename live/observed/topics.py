"""What can be read of a cluster: one topic for each field of the facts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from live.observed import gateway, gateway_trust, istiods, policy_objects, readers, remote, settings, trust, workloads
from live.observed.asked import Asked


@dataclass(frozen=True)
class Topic:
    """Facts that are read together, and fail together.

    Attributes:
        field: field of :class:`health.observed.ObservedCluster` that they become.
        what: what is asked, for the message that it is forbidden: ``reading the Service of the gateway``.
        read: reads them; what it raises makes the field Unknown.
        cure: what to do where it is forbidden.
    """

    field: str
    what: str
    read: Callable[[Asked], Any]
    cure: str = "Grant what docs/verification-rights.yaml lists"


TOPICS = (
    Topic("istiods", "reading the pods of istiod", istiods.read),
    Topic("trust", "reading the ConfigMaps istio-ca-root-cert", trust.read),
    Topic("settings", "reading the Deployment and the settings of istiod", settings.read),
    Topic("gateway", "reading the east-west gateway", gateway.read),
    Topic("proxies_trust", "reading the pods of the east-west gateway", gateway_trust.read),
    Topic("remote", "reading the remote Secret", remote.read),
    Topic("authority", "reading the ConfigMap kube-root-ca.crt", remote.authority),
    Topic(
        "readers",
        "listing the token Secrets of istio-system",
        readers.read,
        "Left out of docs/verification-rights.yaml on purpose, as cacerts lies there too: have an administrator look",
    ),
    Topic("namespaces", "listing namespaces and injection webhooks", workloads.namespaces),
    Topic("services", "listing Services", workloads.services),
    Topic("policy", "listing Istio policy", policy_objects.read),
)


def topics(fields: Iterable[str]) -> tuple[Topic, ...]:
    """The topics of some fields of the facts, in the order of :data:`TOPICS`."""
    wanted = set(fields)
    return tuple(topic for topic in TOPICS if topic.field in wanted)
