"""Whether a cloud takes a Service, and who may connect to it. Pure."""

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from lab.load_balancer.cloud import Cloud
from lab.load_balancer.refusal import RefusedError

_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
EVERYWHERE = IPv4Network("0.0.0.0/0")


def admitted_sources(service: Any, cloud: Cloud) -> tuple[IPv4Network, ...]:
    """Who may connect to a V1Service of type LoadBalancer.

    Raises:
        RefusedError: the cloud does not take the Service; the message says what to change.
    """
    annotations = service.metadata.annotations or {}
    _check_annotations(annotations, cloud)
    ranges = _source_ranges(service, annotations)
    if cloud.source_ranges == "refused" and ranges:
        raise RefusedError(f"{cloud.name} does not know loadBalancerSourceRanges; remove them and use access control")
    controlled = _access_control(annotations, cloud)
    return ranges or (EVERYWHERE,) if controlled is None else controlled


def _check_annotations(annotations: Mapping[str, str], cloud: Cloud) -> None:
    for name, values in cloud.required_annotations.items():
        if annotations.get(name) not in values:
            said = f"is {annotations[name]!r}" if name in annotations else "is missing"
            raise RefusedError(f"annotation {name} {said}; {cloud.name} wants {' or '.join(values)}")
    for group in cloud.exactly_one_annotation:
        present = [name for name in group if name in annotations]
        if len(present) != 1:
            said = f"{' and '.join(present)} are both there" if present else "none of them is there"
            raise RefusedError(f"{cloud.name} wants exactly one of the annotations {', '.join(group)}; {said}")
    for name in cloud.json_annotations:
        if name in annotations and not _is_json_object(annotations[name]):
            raise RefusedError(f"annotation {name} is no JSON object: {annotations[name]!r}")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _source_ranges(service: Any, annotations: Mapping[str, str]) -> tuple[IPv4Network, ...]:
    listed = [each for each in annotations.get(_RANGES_ANNOTATION, "").split(",") if each.strip()]
    texts = service.spec.load_balancer_source_ranges or listed
    try:
        return tuple(sorted({IPv4Network(text.strip(), strict=False) for text in texts}))
    except ValueError as error:
        raise RefusedError(f"loadBalancerSourceRanges: {error}; give IPv4 ranges such as 198.51.100.12/32") from error


def _access_control(annotations: Mapping[str, str], cloud: Cloud) -> tuple[IPv4Network, ...] | None:
    """Who may connect by access control, or None where it is not in force."""
    keys = cloud.access_control
    if keys is None or annotations.get(keys.status) not in ("on", "true"):
        return None
    kind = annotations.get(keys.type)
    if kind not in ("white", "black"):
        raise RefusedError(f"annotation {keys.type} is {kind!r}; {cloud.name} wants white or black")
    group = annotations.get(keys.group)
    if group is None or group not in cloud.address_groups:
        known = ", ".join(sorted(cloud.address_groups)) or "none"
        raise RefusedError(
            f"annotation {keys.group}: {cloud.name} has no IP address group {group!r} (there are: {known})"
        )
    listed = cloud.address_groups[group]
    if not listed:
        # An empty group restricts nobody, whatever its type.
        return (EVERYWHERE,)
    return tuple(sorted(listed)) if kind == "white" else _all_but(listed)


def _all_but(excluded: Sequence[IPv4Network]) -> tuple[IPv4Network, ...]:
    left = [EVERYWHERE]
    for each in excluded:
        parts: list[IPv4Network] = []
        for network in left:
            if not network.overlaps(each):
                parts.append(network)
            elif each.subnet_of(network) and each != network:
                parts += network.address_exclude(each)
        left = parts
    return tuple(sorted(left))
