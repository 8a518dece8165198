"""`spanmesh repair`: clear what an interrupted `pulumi up` left in Helm's records, and of field managers."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from cli.console import err
from cli.options import Cwd
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiError, PulumiStack
from live.helm_records import delete_records, helm_records
from live.state.deployment import RELEASE, cluster_of, resources
from live.state.stale_managers import applied, take_out_stale_managers
from topology.defaults import BASE_RELEASE, ISTIOD_RELEASE
from topology.revisions import istiods


def repair(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack whose clusters are looked at; default: the selected one.")
    ] = None,
    cwd: Cwd = ROOT,
) -> None:
    """Delete Helm's records of releases that are unfinished, or that the stack's state does not know.

    A release without any record goes out of the state. Objects that an interrupted run made, and the next one once
    more, become this stack's alone again: else a change of them ends in `Server-Side Apply field conflict`. `pulumi up`
    can then go on: what was already made stays, and is taken up again.
    """
    declared = load_stack(stack, cwd)
    pulumi = PulumiStack(cwd, declared.name, {})
    state = resources(pulumi.read("stack", "export"))
    known, objects = _releases_in_state(state), applied(state)
    declared_istiods = istiods(declared.mesh)
    for name, access in declared.accesses.items():
        own = {BASE_RELEASE, ISTIOD_RELEASE, *declared_istiods.get(name, ()), *(r for c, r in known if c == name)}
        # An istiod that neither is declared nor was is somebody else's.
        records = [record for record in helm_records(access) if record.release in own]
        leaving = {record.release for record in records if record.leaving}
        wrong = [r for r in records if r.pending or r.release in leaving or (name, r.release) not in known]
        delete_records(access, wrong)
        kept = {record.release for record in records if record not in wrong}
        gone = {release: urn for (cluster, release), urn in known.items() if cluster == name and release not in kept}
        if gone:
            _forget(pulumi, gone.values())
        twice = take_out_stale_managers(access, [each for each in objects if each.cluster == name])
        said = [f"deleted {record}" for record in wrong] + [f"{release} is taken out of the state" for release in gone]
        said += [f"{each} is no longer held by an interrupted run too" for each in twice]
        err.print(f"cluster {name}: " + (", ".join(said) or "nothing to repair"), soft_wrap=True)


def _forget(stack: PulumiStack, urns: Iterable[str]) -> None:
    """Have Pulumi look for releases that have no record any more: the next update installs them anew."""
    targets = [argument for urn in urns for argument in ("--target", urn)]
    ended = stack.run("refresh", "--yes", "--skip-preview", *targets, capture=True)
    if ended.returncode:
        raise PulumiError(f"`pulumi refresh` of stack {stack.name} failed:\n{ended.stdout}")


def _releases_in_state(state: Iterable[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """The URN of each Helm release that Pulumi knows, by cluster and release name."""
    return {
        (cluster, resource["outputs"]["name"]): resource["urn"]
        for resource in state
        if resource["type"] == RELEASE and "name" in resource.get("outputs", {}) and (cluster := cluster_of(resource))
    }
