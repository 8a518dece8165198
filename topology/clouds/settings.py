"""A gateway as the rules of a cloud see it: what is set, under which name, and where the user wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass

from topology.gateway import Gateway, Ingress

GATEWAY_KEYS = ("type", "loadBalancerClass", "externalIPs", "externalTrafficPolicy", "sourceRanges")
KIND = "gateway"
EAST_WEST, INGRESS = "eastWest", "ingress"
NAMES = (KIND, *GATEWAY_KEYS)


@dataclass(frozen=True)
class Settings:
    """What a gateway sets.

    Attributes:
        key: path of the gateway, for example ``spanmesh:mesh.clusters[0].eastWest``.
        values: name of an annotation or of a key of the gateway to its values; names that are not set, or set to
            nothing, are absent.
        written: name of an annotation to the name under which the user wrote it (an older prefix).
    """

    key: str
    values: Mapping[str, tuple[str, ...]]
    written: Mapping[str, str]

    def given(self, name: str) -> tuple[str, ...]:
        """The values of ``name``; empty where it is not set."""
        return self.values.get(name, ())

    def path(self, name: str) -> str:
        """Where ``name`` stands in the stack file; for an annotation that is missing, where they stand."""
        if "/" not in name:
            return f"{self.key}.{name}"
        written = self.written.get(name)
        return f'{self.key}.annotations["{written}"]' if written else f"{self.key}.annotations"


def settings_of(key: str, gateway: Gateway, older_prefixes: Mapping[str, str]) -> Settings:
    """What ``gateway`` sets.

    Args:
        key: path of the gateway in the stack file.
        gateway: the gateway, complete.
        older_prefixes: prefix of annotation names that the cloud still takes, to the one that it writes today.
    """
    written: dict[str, str] = {}
    for name in gateway.annotations:
        older = next((prefix for prefix in older_prefixes if name.startswith(prefix)), None)
        written[older_prefixes[older] + name.removeprefix(older) if older else name] = name
    values = {
        KIND: (INGRESS if isinstance(gateway, Ingress) else EAST_WEST,),
        "type": (gateway.type,),
        "loadBalancerClass": _one(gateway.load_balancer_class),
        "externalIPs": tuple(gateway.external_ips),
        "externalTrafficPolicy": _one(gateway.external_traffic_policy),
        "sourceRanges": tuple(gateway.source_ranges),
        **{name: _one(gateway.annotations[as_written] or None) for name, as_written in written.items()},
    }
    return Settings(key, {name: value for name, value in values.items() if value}, written)


def _one(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)
