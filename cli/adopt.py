"""`spanmesh adopt`: take over the Istio that another installer left, or that carries traffic."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table

from cli.console import err, out
from cli.options import Cwd
from cli.project import ROOT, load_stack
from live.kubeconfig import ClusterAccess
from live.reachability import explained
from live.takeover.charts import Foreign, foreign_objects, revision_tags, take_over
from live.takeover.gateways import (
    InTheWay,
    former_objects,
    gateways_in_the_way,
    gateways_of,
    shared_in_the_way,
    take_over_gateways,
)
from live.takeover.remote_secrets import OtherRemoteSecret, other_remote_secrets, take_out_remote_secrets
from topology import Cluster, Mesh
from topology.defaults import NAMESPACE, REMOTE_SECRET, istio_of

AFTERWARDS = (
    "Next: `spanmesh rescue`, which keeps the root that the proxies trust, and `pulumi up`; then `spanmesh adopt` once "
    "more, for what can only go then"
)


@dataclass(frozen=True)
class Found:
    """What another installer has in one cluster.

    Attributes:
        charts: what becomes part of Helm releases.
        gateways: what stands in the place of the mesh's gateways, or is shared with it.
        remote_secrets: the remote Secrets besides the mesh's own.
    """

    charts: list[Foreign]
    gateways: list[InTheWay]
    remote_secrets: list[OtherRemoteSecret]

    @property
    def superseded(self) -> list[OtherRemoteSecret]:
        """The remote Secrets that can go."""
        return [each for each in self.remote_secrets if each.superseded]

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Kind, namespace and name of what is changed, and what becomes of it."""
        for item in self.charts:
            yield item.kind, item.namespace, item.name, f"part of Helm release {item.release}"
        for each in self.gateways:
            yield each.kind.kind, NAMESPACE, each.name, each.becomes
        for secret in self.superseded:
            yield "Secret", NAMESPACE, secret.name, f"goes; {REMOTE_SECRET} gives {', '.join(secret.clusters)} too"


def adopt(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack whose clusters are looked at; default: the selected one.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take them over without asking.")] = False,
    cwd: Cwd = ROOT,
) -> None:
    """Show, then take over, the Istio objects of another installer; workloads go on meanwhile.

    What the charts have too gets Helm's ownership label and annotations. Gateways keep their Services with their
    addresses, and their pods until the stack's own are ready. The next `pulumi up` then makes all of it the stack's,
    and `pulumi destroy` removes all but the CRDs. Run it once more after that: remote Secrets that the stack's own
    replaces can only go then. docs/takeover.md
    """
    declared = load_stack(stack, cwd)
    found = {name: _found(access, declared.mesh, name) for name, access in declared.accesses.items()}
    table = Table("cluster", "kind", "namespace", "name", "what becomes of it")
    table.columns[3].overflow = table.columns[4].overflow = "fold"
    for name, each in found.items():
        for row in each.rows():
            table.add_row(name, *row)
    if table.row_count:
        out.print(table)
        if not yes:
            typer.confirm("Take over these objects?", abort=True, err=True)
    else:
        err.print("Nothing to take over: no cluster has Istio objects of another installer in the stack's place.")
    for name, each in found.items():
        _take_over(declared.accesses[name], each)
        for line in _left(declared.accesses[name], declared.mesh.cluster(name), each):
            err.print(f"cluster {name}: {line}", soft_wrap=True)
    if any(each.charts or each.gateways for each in found.values()):
        err.print(AFTERWARDS, soft_wrap=True)


def _found(access: ClusterAccess, mesh: Mesh, name: str) -> Found:
    cluster = mesh.cluster(name)
    with explained(access, "looking for what another installer left"):
        gateways = gateways_in_the_way(access, gateways_of(cluster))
        charts = foreign_objects(access, istio_of(mesh, cluster))
        # Of a cluster without Istio, they are what somebody has made for the mesh.
        shared = shared_in_the_way(access) if charts or gateways else []
        return Found(charts, [*gateways, *shared], other_remote_secrets(access))


def _take_over(access: ClusterAccess, found: Found) -> None:
    with explained(access, "taking over what another installer left"):
        take_over(access, found.charts)
        take_over_gateways(access, found.gateways)
        take_out_remote_secrets(access, found.superseded)
    if number := len([*found.rows()]):
        err.print(f"cluster {access.name}: {number} objects taken over")


def _left(access: ClusterAccess, cluster: Cluster, found: Found) -> Iterator[str]:
    """What stays, and how it goes."""
    with explained(access, "looking for what stays of another installer"):
        tags, left = revision_tags(access), former_objects(access, gateways_of(cluster))
    for tag in tags:
        yield (
            f"istioctl's revision tag {tag} stays; once `pulumi up` is through, `istioctl tag remove {tag}` removes it"
        )
    for release in sorted({each.helm_release for each in found.gateways if each.helm_release}):
        yield (
            f"Helm's release {release} still lists what becomes the stack's: never `helm uninstall` it. Its record "
            f"goes by `kubectl delete secret -n {NAMESPACE} -l owner=helm,name={release}`"
        )
    for secret in found.remote_secrets:
        if not secret.superseded:
            yield (
                f"Secret {NAMESPACE}/{secret.name} gives its istiods {', '.join(secret.clusters) or 'no cluster'}, and "
                f"stays until {REMOTE_SECRET} does: run this again after `pulumi up`"
            )
    if left:
        yield f"nobody uses what its former gateway had: `kubectl delete -n {NAMESPACE} {' '.join(left)}`"
