"""docs/clouds.md, written from the clouds' files: ``python -m topology.clouds.page > docs/clouds.md``."""

import sys
from collections.abc import Iterable, Iterator

import yaml

from topology.clouds.apply import address_kind, with_cloud
from topology.clouds.preset import Cloud, clouds
from topology.clouds.rules import Condition
from topology.clouds.settings import EAST_WEST, KIND
from topology.gateway import Gateway

HEAD = """\
<!-- Written by `python -m topology.clouds.page > docs/clouds.md` from topology/clouds/*.yaml: change those. -->
# Clouds

`cloud: <name>` on a cluster says whose load balancers its gateways get. The preset adds the annotations (and the
load-balancer class) that the cloud needs below your own, and refuses, before anything is touched, what the cloud
cannot do.

**None of these clouds was run against.** The presets state what the pages and the source code named here say, as
read in November 2026. What was run is the lab, whose load-balancer controller can play a strict cloud: one that
refuses a Service without the annotations that CCE needs, enforces access control, and hands out a hostname as AWS
does ([lab.md](lab.md)).

Common to all:

* A preset lies below the mesh's `eastWest`, and that below the cluster's. It adds nothing to a Service of type
  NodePort or ClusterIP.
* The load balancer of an east-west gateway must work at layer 4: ending TLS there breaks `AUTO_PASSTHROUGH`
  ([istio.io#17065](https://github.com/istio/istio.io/pull/17065)). Annotations that would are refused for
  `eastWest`, and left to you for `ingress`.
* Where the address is a hostname, istiod resolves it (again at the end of its TTL, but not before 30 s), which
  `RESOLVE_HOSTNAME_GATEWAYS: "false"` in its environment would forbid
  ([istio#29359](https://github.com/istio/istio/issues/29359)).
* Port 15021 (health) stands first in every gateway's Service.
* An annotation of another cloud is refused: it would do nothing.
"""


def page() -> str:
    """The page, whole."""
    parts = [HEAD, *_table(("`cloud`", "what it is", "address", "rules"), _overview())]
    for cloud in clouds().values():
        parts += _section(cloud)
    return "\n".join(parts) + "\n"


def _overview() -> Iterator[tuple[str, ...]]:
    for cloud in clouds().values():
        kinds = " or ".join(dict.fromkeys(address.kind for address in reversed(cloud.addresses)))
        yield f"[`{cloud.name}`](#{cloud.name})", cloud.title, kinds, str(len(cloud.rules))


def _section(cloud: Cloud) -> Iterator[str]:
    yield f"\n## {cloud.name}\n\n{cloud.title}\n"
    if cloud.defaults:
        yield from _table(("it adds", "unless you write it, and", "why", "source"), _defaults(cloud))
        yield ""
    yield from _table(("about", "what to know", "source"), _facts(cloud))
    yield ""
    yield from _table(("rule", "where", "why", "cure", "source"), _rules(cloud))
    yield from _example(cloud)


def _defaults(cloud: Cloud) -> Iterator[tuple[str, ...]]:
    for default in cloud.defaults:
        added = [f"`{name}: {value}`" for name, value in default.annotations.items()]
        if default.load_balancer_class:
            added.append(f"`loadBalancerClass: {default.load_balancer_class}`")
        yield ", ".join(added), _where(default.when), default.because, _link(cloud, default.source)


def _facts(cloud: Cloud) -> Iterator[tuple[str, ...]]:
    for address in cloud.addresses:
        kind = "a hostname" if address.kind == "hostname" else "an IP"
        otherwise = "otherwise" if len(cloud.addresses) > 1 else "always"
        yield (
            f"the address is {kind}",
            _where(address.when) if address.when else otherwise,
            _link(cloud, address.source),
        )
    for way in cloud.closed:
        yield "counts as restricted", _where(way.when), _link(cloud, way.source)
    yield from ((fact.about, fact.says, _link(cloud, fact.source)) for fact in cloud.facts)


def _rules(cloud: Cloud) -> Iterator[tuple[str, ...]]:
    for rule in cloud.rules:
        yield rule.statement(), _where(rule.when), rule.because, rule.cure, _link(cloud, rule.source)


def _where(condition: Condition) -> str:
    parts = []
    for name, wanted in condition.items():
        if name == KIND:
            parts.append("east-west gateways" if wanted == [EAST_WEST] else "ingress gateways")
        elif isinstance(wanted, bool):
            parts.append(f"{'with' if wanted else 'without'} `{name}`")
        else:
            parts.append(f"`{name}` is {' or '.join(f'`{value}`' for value in wanted)}")
    return "; ".join(parts) or "always"


def _link(cloud: Cloud, source: str) -> str:
    return f"[{cloud.sources[source].by}]({cloud.url(source)})"


def _example(cloud: Cloud) -> Iterator[str]:
    whole = with_cloud(cloud, cloud.example)
    cluster = {"name": "cluster1", "cloud": cloud.name, "eastWest": _given(cloud.example)}
    yield "\nIn the stack file:\n"
    yield f"```yaml\n{_yaml({'clusters': [cluster]})}```\n"
    yield f"The gateway's Service then has, and gets {'a hostname' if _named(cloud) else 'an IP'} for an address:\n"
    yield f"```yaml\n{_yaml(_service(whole))}```"


def _named(cloud: Cloud) -> bool:
    return address_kind(cloud, cloud.example) == "hostname"


def _given(gateway: Gateway) -> dict[str, object]:
    given: dict[str, object] = gateway.model_dump(by_alias=True, exclude_unset=True)
    return given


def _service(gateway: Gateway) -> dict[str, object]:
    spec = {
        "type": gateway.type,
        "loadBalancerClass": gateway.load_balancer_class,
        "externalTrafficPolicy": gateway.external_traffic_policy,
        "loadBalancerSourceRanges": gateway.source_ranges,
    }
    metadata = {"metadata": {"annotations": gateway.annotations}} if gateway.annotations else {}
    return {**metadata, "spec": {name: value for name, value in spec.items() if value}}


def _yaml(data: object) -> str:
    return yaml.safe_dump(data, sort_keys=False, width=10_000, allow_unicode=True)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield "|" + "--|" * len(head)
    yield from (_row(row) for row in rows)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
