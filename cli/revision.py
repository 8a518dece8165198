"""`spanmesh revision`: a second istiod beside the one that serves, and workloads that go over to it by namespace."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import err, out, step
from cli.drift import chosen
from cli.options import AskedStack, Cwd, Format, Output
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiError, PulumiStack
from cli.revision_edit import change, unknown
from cli.update import update
from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError
from live.upgrade.listing import ListedRevision, listed
from live.upgrade.moving import label, present
from live.upgrade.restarts import RolloutError, restart_workloads
from live.upgrade.survey import survey
from topology import MeshConfigError, Problem
from topology.declared import REVISION_NAME
from topology.defaults import istio_of
from topology.model import Istio
from topology.revisions import (
    DEFAULT,
    Revision,
    declared_revisions,
    default_revision,
    with_default,
    with_revision,
    without_revision,
)

FAILED, REFUSED = 1, 2
PATIENCE_SECONDS = 300

app = typer.Typer(
    no_args_is_help=True, help="Upgrade Istio by revisions: a second istiod, workloads by namespace, then the default."
)
ChangedStack = Annotated[
    str | None, typer.Option("--stack", "-s", help="Stack whose clusters change; default: the selected one.")
]
OnlyClusters = Annotated[list[str] | None, typer.Option("--cluster", help="Only this cluster. Repeatable.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Seconds = Annotated[int, typer.Option("--timeout", min=1, help="Seconds that the rollouts of a namespace may take.")]


@app.command("list")
def list_revisions(
    stack: AskedStack = None, cluster: OnlyClusters = None, output: Output = Format.TABLE, cwd: Cwd = ROOT
) -> None:
    """List each cluster's istiods: revision, version, tags, and the proxies that are of it, by namespace."""
    with _refusing():
        declared, accesses = _opened(stack, cwd, cluster)
        found = listed(declared.mesh, accesses)
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(declared.name, found), indent=2))
    else:
        _print(found)


@app.command()
def add(
    version: Annotated[str, typer.Argument(help="Istio version of the new istiod.")],
    name: Annotated[str | None, typer.Option(help="Name of the revision; default: the version with - for .")] = None,
    tag: Annotated[str | None, typer.Option(help="A revision tag that is to stand for it.")] = None,
    cluster: OnlyClusters = None,
    stack: ChangedStack = None,
    yes: Yes = False,
    cwd: Cwd = ROOT,
) -> None:
    """Install an istiod of another version beside the one that serves. No proxy goes over to it yet.

    Exit code 0: done. 1: it stopped, and says where. 2: refused, and nothing was changed.
    """
    revision = Revision(name or version.replace(".", "-"), version)
    _changed(stack, cwd, cluster, yes, lambda _, istio: _added(istio, revision, tag or ""))


@app.command()
def default(
    revision: Annotated[str, typer.Argument(help="The revision, as `spanmesh revision list` names it.")],
    workloads: Annotated[
        bool, typer.Option("--workloads", help="Then restart the workloads that it would inject now.")
    ] = False,
    cluster: OnlyClusters = None,
    stack: ChangedStack = None,
    yes: Yes = False,
    timeout: Seconds = PATIENCE_SECONDS,
    cwd: Cwd = ROOT,
) -> None:
    """Make a revision the default one: gateways go over to it, and new pods labelled `istio-injection=enabled`.

    The one that was stays beside it, so the same command with its name goes back. Exit code 0: done. 1: it stopped, and
    says where. 2: refused, and nothing was changed.
    """

    def swapped(name: str, istio: Istio) -> Istio:
        _has(istio, revision, name)
        return with_default(istio, revision)

    now, accesses = _changed(stack, cwd, cluster, yes, swapped)
    if workloads:
        with _stopping(accesses):
            for name, each in survey(now.mesh, accesses).items():
                restart_workloads(accesses[name], each.workloads, timeout, step)
                _say_left(name, [str(one) + f": {one.left}" for one in each.workloads if one.left])


@app.command()
def remove(
    revision: Annotated[str, typer.Argument(help="The revision, as `spanmesh revision list` names it.")],
    cluster: OnlyClusters = None,
    stack: ChangedStack = None,
    yes: Yes = False,
    cwd: Cwd = ROOT,
) -> None:
    """Remove an istiod, and the tags that stand for it. Refused while proxies are of it, or namespaces name it.

    Exit code 0: done. 1: it stopped, and says where. 2: refused, and nothing was changed.
    """

    def without(name: str, istio: Istio) -> Istio:
        _has(istio, revision, name)
        if revision == default_revision(istio).name:
            others = " or ".join(each.name for each in declared_revisions(istio)[1:]) or "another one"
            cure = f"Make {others} the default one first: `spanmesh revision default`"
            raise MeshConfigError([Problem(f"cluster {name}", f"{revision} is its default revision", cure)])
        return without_revision(istio, revision)

    _changed(stack, cwd, cluster, yes, without)


@app.command()
def move(
    namespaces: Annotated[list[str], typer.Argument(help="The namespaces.")],
    to: Annotated[str, typer.Option(help="A revision or a tag; `default`: whichever is the default one.")],
    cluster: OnlyClusters = None,
    stack: ChangedStack = None,
    yes: Yes = False,
    timeout: Seconds = PATIENCE_SECONDS,
    cwd: Cwd = ROOT,
) -> None:
    """Have namespaces go by a revision: they are labelled istio.io/rev, and their workloads restarted.

    One cluster after the other. Exit code 0: every proxy there is of it. 1: some are not, and it says which.
    2: refused, and nothing was changed.
    """
    with _refusing():
        declared, accesses = _opened(stack, cwd, cluster)
        there = {name: present(access, namespaces) for name, access in accesses.items()}
        problems = [
            unknown(to, name, istio)
            for name in accesses
            if there[name] and to not in _leading(istio := istio_of(declared.mesh, declared.mesh.cluster(name)))
        ]
        problems += [
            Problem(f"namespace {each}", f"none of {', '.join(accesses)} has it", "Give one that is there")
            for each in namespaces
            if not any(each in found for found in there.values())
        ]
        if problems:
            raise MeshConfigError(problems)
    for name, found in there.items():
        err.print(f"cluster {name}: {', '.join(found) or 'no namespace'} to {to}", highlight=False, soft_wrap=True)
    if not yes:
        typer.confirm("Do this?", abort=True, err=True)
    behind = False
    for name, found in there.items():
        one = {name: accesses[name]}
        with _stopping(one):
            label(accesses[name], found, to)
            others = [each for each in survey(declared.mesh, one)[name].workloads if each.namespace in found]
            restart_workloads(accesses[name], others, timeout, step)
            left = [each for each in survey(declared.mesh, one)[name].workloads if each.namespace in found]
        behind = behind or bool(left)
        _say_left(name, [f"{each}: {each.left or 'it has made proxies of another revision again'}" for each in left])
    if behind:
        raise typer.Exit(FAILED)
    step(f"Every proxy of {', '.join(namespaces)} is of {to}")


def _has(istio: Istio, revision: str, cluster: str) -> None:
    if revision not in {each.name for each in declared_revisions(istio)}:
        raise MeshConfigError([unknown(revision, cluster, istio)])


def _leading(istio: Istio) -> set[str]:
    """The labels that lead to an istiod."""
    names = {each.name for each in declared_revisions(istio)}
    # Without a revision, and not the default one: only a tag leads to it.
    return {*names, *istio.tags, DEFAULT}


def _added(istio: Istio, revision: Revision, tag: str) -> Istio:
    for option, text in (("--name", revision.name), ("--tag", tag)):
        if text and not re.fullmatch(REVISION_NAME, text):
            cause = f"{text} is no name of a revision or tag: lower-case letters, digits and -, 46 of them at most"
            raise MeshConfigError([Problem(option, cause, "Give another one, for example 1-31-2")])
    if revision.name == default_revision(istio).name:
        cure = "Give it another name by `--name`, or upgrade in place: `spanmesh upgrade --to`"
        raise MeshConfigError([Problem("--name", f"{revision.name} is the default revision", cure)])
    return with_revision(istio, revision, tag)


def _opened(name: str | None, cwd: Any, clusters: list[str] | None) -> tuple[Stack, dict[str, ClusterAccess]]:
    declared = load_stack(name, cwd)
    return declared, {each: declared.accesses[each] for each in chosen(list(declared.accesses), clusters or [])}


def _changed(
    name: str | None, cwd: Any, clusters: list[str] | None, yes: bool, wanted: Callable[[str, Istio], Istio]
) -> tuple[Any, dict[str, ClusterAccess]]:
    """Write other revisions of clusters into the stack file, and bring them up.

    Returns:
        What was changed, and the chosen clusters.
    """
    with _refusing():
        declared, accesses = _opened(name, cwd, clusters)
        istios = {each: wanted(each, istio_of(declared.mesh, declared.mesh.cluster(each))) for each in accesses}
        planned = change(declared, declared.accesses, istios)
    for each in planned.clusters:
        what = ", ".join(map(str, each.revisions)) or f"{each.declared}, without revisions"
        restarts = ", ".join(f"{part} ({pods} pods)" for part, pods in each.restarts)
        said = f"; restarts {restarts}" if restarts else ""
        err.print(f"cluster {each.cluster}: {escape(what)}{said}", highlight=False, soft_wrap=True)
    for warning in planned.warnings:
        err.print(f"[bold yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    if not yes:
        typer.confirm("Do this?", abort=True, err=True)
    with _stopping(accesses):
        planned.edit.save()
        step(f"wrote {planned.edit.path}")
        update(PulumiStack(declared.project, declared.name, {}))
    step("Every istiod and gateway is as declared: `spanmesh revision list` shows whose the proxies are")
    return planned, accesses


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (MeshConfigError, PulumiError, UnreachableError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(REFUSED) from error


@contextmanager
def _stopping(accesses: Mapping[str, ClusterAccess]) -> Iterator[None]:
    try:
        yield
    except (MeshConfigError, PulumiError, RolloutError, UnreachableError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        err.print(f"It stopped at {', '.join(accesses)}. Once the cause is cured, run the same again", soft_wrap=True)
        raise typer.Exit(FAILED) from error


def _say_left(cluster: str, left: list[str]) -> None:
    for each in left:
        err.print(f"[bold yellow]left:[/] cluster {cluster}: {escape(each)}", soft_wrap=True)


def as_json(stack: str, found: Mapping[str, list[ListedRevision]]) -> dict[str, Any]:
    """The list as docs/upgrade.md describes it."""
    return {
        "stack": stack,
        "clusters": [
            {
                "cluster": name,
                "revisions": [
                    {
                        "revision": each.name,
                        "declared": each.declared or None,
                        "present": each.present or None,
                        "default": each.default,
                        "tags": list(each.tags),
                        "pods": each.pods,
                        "gateways": list(each.gateways),
                        "proxies": dict(each.proxies),
                    }
                    for each in revisions
                ],
            }
            for name, revisions in found.items()
        ],
    }


def _print(found: Mapping[str, list[ListedRevision]]) -> None:
    table = Table("cluster", "revision", "version", "tags", "istiod", "gateways", "proxies by namespace")
    for name, revisions in found.items():
        for place, each in enumerate(revisions):
            version = each.present or "none"
            if each.declared != each.present:
                version += f" ({each.declared or 'none'} is declared)"
            table.add_row(
                name if place == 0 else "",
                f"{each.name} (default)" if each.default and each.name != DEFAULT else each.name,
                version,
                ", ".join((*(["default"] if each.default else []), *each.tags)) or "-",
                f"{each.pods} pods",
                ", ".join(each.gateways) or "-",
                ", ".join(f"{where} {number}" for where, number in each.proxies.items()) or "-",
            )
        table.add_section()
    out.print(table)
