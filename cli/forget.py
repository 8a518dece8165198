"""`spanmesh forget`: let go of a cluster that is gone for good and will never answer again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.console import err, step
from cli.options import Cwd
from cli.project import ROOT, selected_stack
from cli.pulumi import PulumiStack
from cli.stack_files import stack_config, undecrypted_mesh
from live.reachability import UnreachableError, cluster_uid
from live.state.forgetting import known_clusters, objects_in, without_cluster
from topology import MeshConfigError, Problem
from topology.checks.keys import cluster_keys


def forget(
    cluster: Annotated[str, typer.Argument(help="Istio's name of the cluster.")],
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack that knows it; default: the selected one.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    cwd: Cwd = ROOT,
) -> None:
    """Take a cluster that no longer exists out of the stack's state, without asking it to delete anything.

    Its entry has to be out of the stack file, and its API server must not answer: one that does, `pulumi up` empties.
    After this, `pulumi up` has the other clusters let go of it, and `pulumi destroy` works without it.
    """
    name = stack or selected_stack(cwd)
    _not_declared(cluster, name, cwd)
    pulumi = PulumiStack(cwd, name, {})
    state = pulumi.read("stack", "export", "--show-secrets")
    if not (held := objects_in(state, cluster)):
        known = ", ".join(sorted(known_clusters(state))) or "none"
        raise MeshConfigError(
            [Problem("CLUSTER", f"the state of stack {name} has nothing in a cluster {cluster}", f"It has: {known}")]
        )
    step(f"asking cluster {cluster} whether it answers")
    why = _why_silent(cluster, state)
    err.print(
        f"{why}\nThe state of stack {name} forgets {len(held)} resources in it. Nothing is deleted there: should it "
        "come back, its istiod and its workloads would still be in it, with certificates that the mesh trusts.",
        markup=False,
        soft_wrap=True,
    )
    if not yes:
        typer.confirm(f"Is {cluster} gone for good?", abort=True, err=True)
    # As it is stored: secrets stay encrypted.
    pulumi.feed(json.dumps(without_cluster(pulumi.read("stack", "export"), cluster)), "stack", "import")
    step(f"forgotten: run `pulumi up`, and the other clusters let go of {cluster}")


def _not_declared(cluster: str, stack: str, project: Path) -> None:
    mesh = undecrypted_mesh(stack_config(project, stack), project)
    for key, declared in cluster_keys(mesh):
        if declared.name == cluster:
            cause = f"cluster {cluster} is still declared: the next `pulumi up` would make everything in it anew"
            cure = (
                "Take its entry out of the stack file, and its name out of `links` and `policies`; then run this again"
            )
            raise MeshConfigError([Problem(key, cause, cure)])


def _why_silent(cluster: str, state: dict[str, object]) -> str:
    """Why the cluster does not answer.

    Raises:
        MeshConfigError: it does answer.
    """
    access = known_clusters(state).get(cluster)
    if access is None:
        return f"cluster {cluster}: the state has no kubeconfig of it"
    answer = "its API server answers"
    try:
        cluster_uid(access)
    except UnreachableError as error:
        if error.status is None:
            return f"cluster {cluster}: {error.cause}"
        answer = f"{error.cause}. So it runs"
    cure = "Run `pulumi up`: with its entry taken out, it deletes everything of the mesh in that cluster"
    raise MeshConfigError([Problem("CLUSTER", f"cluster {cluster} is not gone: {answer}", cure)])
