"""`spanmesh rescue`: complete a stack's state from the clusters, where it is lost or older than they are."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from cli.console import err, step
from cli.options import Cwd, Format, Output
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiError, PulumiStack
from cli.scratch_stack import scratch_stack
from cli.stack_edit import StackEdit
from cli.stack_files import stack_config, stack_path
from live.declaration import MESH_FILE
from live.division import clusters_up
from live.reachability import UnreachableError, cluster_uid
from live.sources import StackOutputsError
from live.state.completion import completed, import_file
from live.state.deployment import KUBERNETES, Planned, planned, resources
from live.state.lost_trust import Authority, Given, given_anew, live_authorities, outdated_keys
from live.state.standing import Standing, standing
from topology import MeshConfigError, Problem
from topology.division import GROUP

LOST_KEY = (
    "No state has the key of the mesh's root: if it was in the lost one, nobody has it any more. The clusters go on "
    "with their intermediates, which now stand in the stack file, encrypted by Pulumi; nothing in them changes. No "
    "cluster can be added and no intermediate renewed before the mesh has a new root: run `spanmesh rotate root "
    "--stack {stack}` once `pulumi up` is through"
)


@dataclass(frozen=True)
class Plan:
    """What a rescue does.

    Attributes:
        declared: what the program declares.
        found: which of it is live and not in the state, by URN.
        state: the stack's state, exported with its secrets.
        given: what the stack file has to give from now on; None: it stays as it is.
        edit: the stack file with it; None likewise.
    """

    declared: Sequence[Planned]
    found: Mapping[str, Standing]
    state: Mapping[str, Any]
    given: Given | None
    edit: StackEdit | None

    @property
    def made_anew(self) -> list[Planned]:
        """What is neither live nor in the state: the next update makes it."""
        new = [each for each in self.declared if each.new and each.custom and each.type != KUBERNETES]
        return [each for each in new if each.urn not in self.found]


def rescue(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack whose state is to be completed; default: the selected.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    output: Output = Format.TABLE,
    cwd: Cwd = ROOT,
) -> None:
    """Take into the stack's state what it declares, does not know, and finds live. Nothing in the clusters changes.

    For a state that is lost, or was restored from a backup. Where a root's key is lost with it, the stack file gets the
    clusters' intermediates, encrypted. Then run `pulumi preview`, which shows what still differs, and `pulumi up`.
    """
    declared = load_stack(stack, cwd)
    pulumi = PulumiStack(cwd, declared.name, {})
    _all_answer(declared)
    _groups_first(declared)
    plan = _plan(declared, pulumi)
    if plan.found or plan.given:
        _show(plan)
        if not yes:
            typer.confirm("Complete the state so?", abort=True, err=True)
        _carry_out(plan, declared, pulumi)
    if output is Format.JSON:
        typer.echo(json.dumps(_as_json(declared.name, plan), indent=2))
    elif not (plan.found or plan.given):
        err.print("Nothing to rescue: the state knows everything that is declared and live.")
    if plan.given and plan.given.root is not None:
        err.print(LOST_KEY.format(stack=declared.name), soft_wrap=True)


def _all_answer(declared: Stack) -> None:
    for name, access in declared.accesses.items():
        try:
            cluster_uid(access)
        except UnreachableError as error:
            cure = (
                f"{error.cure}. A cluster that is gone for good: take its entry out of the stack file, then run this "
                "again"
            )
            raise UnreachableError(name, error.cause, cure, error.status) from error


def _groups_first(declared: Stack) -> None:
    """Of a divided mesh, links are declared of clusters that the outputs of their groups show."""
    mesh = declared.mesh
    if not mesh.groups or stack_config(declared.project, declared.name).get(GROUP):
        return

    def outputs(name: str) -> Mapping[str, Any]:
        try:
            return PulumiStack(declared.project, name, {}).outputs()
        except PulumiError as error:
            raise StackOutputsError(f"unknown stack {name}: {error}") from error

    down = {cluster.name for cluster in mesh.clusters} - clusters_up(mesh, outputs)
    if waiting := sorted(down & live_authorities(declared.accesses).keys()):
        groups = sorted({str(mesh.cluster(name).group) for name in waiting})
        raise MeshConfigError(
            [
                Problem(
                    f"spanmesh:mesh.groups.{group}.stack",
                    f"stack {mesh.groups[group].stack} has no outputs of clusters that run",
                    "Rescue that stack first and run `pulumi up` of it, then rescue this one",
                )
                for group in groups
            ]
        )


def _plan(declared: Stack, pulumi: PulumiStack) -> Plan:
    step("reading the state")
    state = _state(pulumi)
    given = None
    if not stack_config(declared.project, declared.name).get(GROUP):
        given = given_anew(declared.mesh, state, live_authorities(declared.accesses))
    edit = edited(declared, pulumi, given) if given else None
    step("asking the program what it declares")
    with tempfile.TemporaryDirectory(prefix="spanmesh-") as folder:
        # What the state has unchanged too: providers, components.
        arguments = ["--show-sames"]
        if edit:
            changed = Path(folder) / edit.path.name
            changed.write_text(edit.text())
            arguments += ["--config-file", str(changed)]
        program = planned(pulumi.preview(*arguments))
    step("asking the clusters what of it is there")
    unknown = [each for each in program if each.new and each.custom and each.cluster]
    return Plan(program, standing(declared.accesses, unknown), state, given, edit)


def _state(pulumi: PulumiStack) -> dict[str, Any]:
    ended = pulumi.run("stack", "export", capture=True)
    if ended.returncode and "no stack named" in ended.stdout:
        step(f"making the stack {pulumi.name} in the backend, where there is none")
        pulumi.feed("", "stack", "init", "--no-select")
    return dict(pulumi.read("stack", "export", "--show-secrets"))


def edited(declared: Stack, pulumi: PulumiStack, given: Given) -> StackEdit:
    """The stack file with what it has to give from now on; not written yet.

    Args:
        declared: the stack.
        pulumi: encrypts for it.
        given: what is to stand in it.

    Raises:
        MeshConfigError: the mesh stands in a file in which Pulumi encrypts nothing.
    """
    edit = StackEdit.open(declared.project, declared.name)
    if stack_config(declared.project, declared.name).get(MESH_FILE):
        raise MeshConfigError([_by_hand(edit, given)])
    texts = {f"{name}.{key}": text for name, each in given.authorities.items() for key, text in _of(each)}
    if given.root is not None:
        texts["root"] = given.root
    encrypted = _encrypted(declared, pulumi, texts)
    for cluster, key in outdated_keys(declared.mesh, given):
        edit.remove(f"{edit.cluster(cluster)}.trust.{key}" if cluster else f"trust.{key}")
    if given.root is not None:
        edit.set("trust.root", "provided")
        edit.set("trust.rootCertificate", {"secret": {"secure": encrypted["root"]}})
        edit.set("trust.generation", given.generation)
    for name in given.authorities:
        for key in ("certificate", "key"):
            edit.set(f"{edit.cluster(name)}.trust.{key}", {"secret": {"secure": encrypted[f"{name}.{key}"]}})
    return edit


def _of(authority: Authority) -> list[tuple[str, str]]:
    return [("certificate", authority.certificate), ("key", authority.key)]


def _encrypted(declared: Stack, pulumi: PulumiStack, texts: Mapping[str, str]) -> dict[str, str]:
    """Each text as Pulumi encrypts it for this stack, by a file of its own: the stack's is written once, at the end."""
    document = yaml.safe_load(stack_path(declared.project, declared.name).read_text())
    with tempfile.TemporaryDirectory(prefix="spanmesh-") as folder:
        path = Path(folder) / "Pulumi.encrypted.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in document.items() if key != "config"}))
        for number, text in enumerate(texts.values()):
            # Pulumi takes one end of line off what it reads.
            pulumi.feed(f"{text}\n", "config", "set", "--config-file", str(path), "--secret", f"spanmesh:text{number}")
        config = yaml.safe_load(path.read_text())["config"]
    return {name: config[f"spanmesh:text{number}"]["secure"] for number, name in enumerate(texts)}


def _by_hand(edit: StackEdit, given: Given) -> Problem:
    names = ", ".join(sorted(given.authorities))
    return Problem(
        str(edit.path),
        "keys that Pulumi made are lost with the state, and Pulumi encrypts nothing in this file",
        "Write `root: provided` with `rootCertificate: {env: …}` at `trust`, and `certificate: {env: …}` and "
        f"`key: {{env: …}}` at `trust` of {names}; fill the variables with root-cert.pem, ca-cert.pem and ca-key.pem "
        "of each cluster's Secret istio-system/cacerts; then run this again",
    )


def _carry_out(plan: Plan, declared: Stack, pulumi: PulumiStack) -> None:
    kubeconfigs = {name: access.text for name, access in declared.accesses.items()}
    imported: Mapping[str, Any] = {}
    if plan.found:
        step(f"importing {len(plan.found)} objects")
        with scratch_stack(declared.project, declared.name) as scratch:
            wanted = json.dumps(import_file(plan.declared, plan.found, kubeconfigs))
            flags = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false")
            scratch.feed(wanted, "import", "--file", "/dev/stdin", *flags)
            imported = scratch.read("stack", "export", "--show-secrets")
    # First the stack file: a state with it, and without this, is what this command begins with.
    if plan.edit:
        plan.edit.save()
        step(f"{plan.edit.path}: the clusters' certificates and keys are in it, encrypted")
    state = completed(plan.state, plan.declared, plan.found, imported, kubeconfigs)
    pulumi.feed(json.dumps(state), "stack", "import")
    step(f"the state of {declared.name} knows {len(resources(state))} resources now: run `pulumi preview`")


def _show(plan: Plan) -> None:
    table = Table("cluster", "live, and to be known", "made anew by `pulumi up`")
    table.columns[1].overflow = table.columns[2].overflow = "fold"
    # What is in no cluster, keys and certificates, comes last.
    clusters = [*dict.fromkeys(each.cluster for each in plan.declared if each.cluster), None]
    for cluster in clusters:
        live = Counter(plan.found[each.urn].kind for each in plan.declared if _found_in(plan, each, cluster))
        new = [each for each in plan.made_anew if each.cluster == cluster]
        anew = [f"{each.type.rpartition(':')[2]} {each.name}" for each in new]
        if live or anew:
            names = ", ".join(f"{count} {kind}" for kind, count in sorted(live.items()))
            table.add_row(cluster or "(in none)", names, ", ".join(anew))
    err.print(table)


def _found_in(plan: Plan, each: Planned, cluster: str | None) -> bool:
    return each.cluster == cluster and each.urn in plan.found


def _as_json(stack: str, plan: Plan) -> dict[str, Any]:
    return {
        "stack": stack,
        "imported": [
            {"cluster": each.cluster, "type": each.type, "id": plan.found[each.urn].id, "urn": each.urn}
            for each in plan.declared
            if each.urn in plan.found
        ],
        "missing": [{"cluster": each.cluster, "type": each.type, "urn": each.urn} for each in plan.made_anew],
        "trust": "provided" if plan.given and plan.given.root is not None else "as declared",
    }
