"""Objects of the tests, short to write."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from live.policy.reading import Held, identity, is_own
from policy.document import parse
from policy.world import Live, Placed

STACK = "prod"


def istio(kind: str, name: str, spec: Mapping[str, Any], *, stack: str = "", **metadata: Any) -> dict[str, Any]:
    """An object of networking.istio.io in the namespace shop; with a stack, labelled as its own."""
    labels = {"labels": {"spanmesh.io/stack": stack}} if stack else {}
    about = {"name": name, "namespace": "shop", **labels, **metadata}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": about, "spec": dict(spec)}


def rule(*subsets: str, name: str = "reviews", stack: str = "") -> dict[str, Any]:
    """A DestinationRule of reviews with these subsets."""
    spec = {"host": "reviews", "subsets": [{"name": subset, "labels": {"version": subset}} for subset in subsets]}
    return istio("DestinationRule", name, spec, stack=stack)


def route(*subsets: str, name: str = "reviews", stack: str = "", host: str = "reviews") -> dict[str, Any]:
    """A VirtualService of reviews that leads to these subsets."""
    to = [{"destination": {"host": host, "subset": subset}} for subset in subsets]
    return istio("VirtualService", name, {"hosts": ["reviews"], "http": [{"route": to}]}, stack=stack)


def placed(*objects: Mapping[str, Any], clusters: Sequence[str] = ("cluster1", "cluster2")) -> list[Placed]:
    """Objects as declared in a file, for these clusters."""
    text = yaml.safe_dump_all([dict(each) for each in objects], sort_keys=False)
    return [Placed(document, tuple(clusters)) for document in parse(text, "shop.yaml")]


def held(*objects: Mapping[str, Any]) -> Held:
    """A cluster with this policy."""
    own = {identity(item): item for item in objects if is_own(item, STACK)}
    return Held(Live(others=tuple(item for item in objects if not is_own(item, STACK))), own)
