"""`spanmesh adopt`: take over the Istio objects that another installer left."""

from typing import Annotated

import typer
from rich.table import Table

from cli.console import err, out
from cli.options import Cwd
from cli.project import ROOT, load_stack
from live.ownership import foreign_objects, revision_tags, take_over
from topology.defaults import istio_of


def adopt(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack whose clusters are looked at; default: the selected one.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take them over without asking.")] = False,
    cwd: Cwd = ROOT,
) -> None:
    """Show, then take over, the Istio objects of another installer.

    Only Helm's ownership label and annotations are written onto them. The next `pulumi up` then upgrades them to the
    stack's Istio, and `pulumi destroy` removes all but the CRDs.
    """
    declared = load_stack(stack, cwd)
    found = {
        name: foreign_objects(access, istio_of(declared.mesh, declared.mesh.cluster(name)))
        for name, access in declared.accesses.items()
    }
    if not any(found.values()):
        err.print("Nothing to take over: no cluster has Istio objects of another installer.")
        return
    table = Table("cluster", "kind", "namespace", "name", "becomes part of Helm release")
    table.columns[3].overflow = "fold"
    for cluster, objects in found.items():
        for item in objects:
            table.add_row(cluster, item.kind, item.namespace, item.name, item.release)
    out.print(table)
    if not yes:
        typer.confirm("Take over these objects?", abort=True, err=True)
    for cluster, objects in found.items():
        access = declared.accesses[cluster]
        take_over(access, objects)
        err.print(f"cluster {cluster}: {len(objects)} objects taken over")
        for tag in revision_tags(access):
            err.print(
                f"cluster {cluster}: istioctl's revision tag {tag} stays; once `pulumi up` is through, "
                f"`istioctl tag remove {tag}` removes it",
                soft_wrap=True,
            )
