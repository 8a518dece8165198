"""The stack's policy: names that it refers to, and helpers that meet on one Service."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from topology.checks.keys import ROOT
from topology.errors import Problem
from topology.facts import chosen
from topology.model import Mesh
from topology.policy import (
    Canary,
    CanaryItem,
    DeclaredService,
    LocalityFailover,
    LocalityFailoverItem,
    Narrowed,
    subset_name,
)

Helper = CanaryItem | LocalityFailoverItem
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
SUBSET = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Pseudo-headers, and names that are not in lower case, match no request:
# https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest
HEADER = r"[a-z0-9!#$%&'*+.^_`|~-]+"


def policies(mesh: Mesh) -> Iterator[Problem]:
    """Items of ``policies`` that name what is not there, or that meet on one Service."""
    helpers: list[tuple[str, Helper, str]] = []
    for index, item in enumerate(mesh.policies):
        key = f"{ROOT}.policies[{index}]"
        if isinstance(item, Narrowed):
            yield from _narrowed(key, item, mesh)
        if isinstance(item, CanaryItem):
            yield from canary(f"{key}.canary", item.canary)
            helpers.append((key, item, item.canary.service))
        elif isinstance(item, LocalityFailoverItem):
            yield from locality_failover(f"{key}.localityFailover", item.locality_failover, mesh)
            helpers.append((key, item, item.locality_failover.service))
    for (first_key, first, service), (key, item, other) in combinations(helpers, 2):
        if service == other:
            yield from _meeting(first_key, first, key, item, mesh)


def _narrowed(key: str, item: Narrowed, mesh: Mesh) -> Iterator[Problem]:
    yield from _known(f"{key}.clusters", "cluster", item.clusters, [c.name for c in mesh.clusters])
    yield from _known(f"{key}.networks", "network", item.networks, [c.network for c in mesh.clusters])
    # A region may stand on a node alone, but narrowing goes by what the stack file says.
    yield from _known(f"{key}.regions", "region", item.regions, [c.region for c in mesh.clusters if c.region])


def _known(key: str, what: str, names: Sequence[str], known: Iterable[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        yield from _one_known(f"{key}[{index}]", what, name, known)


def _one_known(key: str, what: str, name: str, known: Iterable[str]) -> Iterator[Problem]:
    there = list(dict.fromkeys(known))
    if name not in there:
        near = difflib.get_close_matches(name, there, n=1)
        meant = f"Did you mean `{near[0]}`? " if near else ""
        yield Problem(
            key,
            f"no cluster has the {what} {name}" if what != "cluster" else f"no cluster is called {name}",
            f"{meant}{what.capitalize()}s here: {', '.join(there) or 'none'}",
        )


def canary(key: str, item: Canary) -> Iterator[Problem]:
    """Versions that no label or subset can have, and headers that match nothing."""
    subsets: dict[str, str] = {}
    for version in item.versions:
        subset = subset_name(version)
        if not re.fullmatch(LABEL_VALUE, version) or not re.fullmatch(SUBSET, subset):
            cause = f"{version!r} is no value that the label {item.label} of a pod can have, or no name of a subset"
            yield Problem(
                f"{key}.versions", cause, "Write letters, digits, `-`, `_` and `.`, with a letter or digit at both ends"
            )
        elif subset in subsets:
            cause = f"{subsets[subset]} and {version} would both be the subset {subset}"
            yield Problem(f"{key}.versions", cause, "Give the pods labels that differ in more than that")
        subsets.setdefault(subset, version)
    for index, match in enumerate(item.match):
        for header in match.headers:
            if not re.fullmatch(HEADER, header):
                cause = "Istio matches headers by their names in lower case"
                near = f"Write {header.lower()}" if re.fullmatch(HEADER, header.lower()) else "Name a header"
                yield Problem(f"{key}.match[{index}].headers.{header}", cause, near)


def locality_failover(key: str, item: LocalityFailover, mesh: Mesh | None) -> Iterator[Problem]:
    """Regions that no cluster has, that fail over to themselves, or from which requests go two ways."""
    clusters = mesh.clusters if mesh else []
    regions = [c.region for c in clusters if c.region]
    # Where a cluster's region is not declared, its nodes' labels may name any.
    all_known = bool(clusters) and len(regions) == len(clusters)
    seen: dict[str, int] = {}
    for index, each in enumerate(item.failover):
        at = f"{key}.failover[{index}]"
        for end, region in (("from", each.from_), ("to", each.to)):
            if all_known:
                yield from _one_known(f"{at}.{end}", "region", region, regions)
        if each.from_ == each.to:
            yield Problem(f"{at}.to", f"{each.to} would fail over to itself", "Name another region")
        if each.from_ in seen:
            cause = f"failover[{seen[each.from_]}] says already where those of {each.from_} go; Istio takes the first"
            yield Problem(f"{at}.from", cause, "Keep one")
        seen.setdefault(each.from_, index)


def _meeting(first_key: str, first: Helper, key: str, item: Helper, mesh: Mesh) -> Iterator[Problem]:
    if isinstance(first, CanaryItem) and isinstance(item, CanaryItem):
        kind, service = "canary", item.canary.service
        if first.canary.label != item.canary.label:
            yield Problem(
                f"{key}.canary.label",
                f"{first_key} tells the versions of {service} by the label {first.canary.label}, and this one by "
                f"{item.canary.label}; the subsets of both go to every cluster",
                "Take one label",
            )
    elif isinstance(first, LocalityFailoverItem) and isinstance(item, LocalityFailoverItem):
        kind, service = "localityFailover", item.locality_failover.service
    else:
        return
    if both := [name for name in chosen(mesh, first) if name in chosen(mesh, item)]:
        yield Problem(
            f"{key}.{kind}",
            f"{first_key} is a {kind} of {service} too, and both go to {', '.join(both)}",
            "Keep one, or narrow them to different clusters",
        )


def services(mesh: Mesh) -> Iterator[Problem]:
    """Declared Services that no cluster lacks, that unknown clusters serve, or that are declared twice."""
    names = [c.name for c in mesh.clusters]
    seen: dict[str, str] = {}
    for index, service in enumerate(mesh.services):
        key = f"{ROOT}.services[{index}]"
        if service.service in seen:
            yield Problem(
                f"{key}.service", f"{seen[service.service]} declares {service.service} too", "Put the two together"
            )
        seen.setdefault(service.service, key)
        yield from _known(f"{key}.servedBy", "cluster", service.served_by, names)
        if set(names) <= set(service.served_by):
            cause = f"every cluster runs {service.service}, so there is none to make the Service in"
            yield Problem(f"{key}.servedBy", cause, "Remove the entry, or name only the clusters that run it")
        yield from _ports(key, service)


def _ports(key: str, service: DeclaredService) -> Iterator[Problem]:
    for kind in ("name", "port"):
        values = [getattr(port, kind) for port in service.ports]
        for index, value in enumerate(values):
            if value in values[:index]:
                cause = f"ports[{values.index(value)}] has {value} too"
                yield Problem(f"{key}.ports[{index}].{kind}", cause, "Kubernetes takes each once: give another")
