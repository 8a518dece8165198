"""`spanmesh policy`: check policy, see it as it is applied, and write it for the common jobs."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
import yaml

from cli import findings
from cli.console import fail, out
from cli.options import Cwd
from cli.project import ROOT, load_stack, selected_stack
from cli.sarif import to_sarif
from cli.stack_files import line_of_key, own_name, stack_config, undecrypted_mesh
from judges.hearing import hear
from live.declaration import MESH
from policy.document import Document
from policy.files import Read, read_items, read_paths
from policy.finding import Finding
from policy.provenance import applied
from policy.review import Gathered, Review, gather
from policy.written.traffic import documents
from topology import Istio, Mesh, MeshConfigError, Problem, load_sample
from topology.checks import policy as checks
from topology.division import GROUP
from topology.load import validated
from topology.policy import Canary, LocalityFailover

Helper = TypeVar("Helper", Canary, LocalityFailover)
ServiceArgument = Annotated[str, typer.Argument(help="The Service, as name.namespace.")]

app = typer.Typer(no_args_is_help=True, help="Istio policy of the mesh: check it, see what is applied, write it.")


@app.command("check")
def check_policy(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, help="Files and folders of YAML, instead of what the stack declares."),
    ] = None,
    stack: Annotated[
        str | None,
        typer.Option("--stack", "-s", help="Stack that the policy is of; default without PATH: the selected one."),
    ] = None,
    istio_version: Annotated[
        str | None, typer.Option(help="Istio version to judge by; default: the stack's, or the toolchain's newest.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the stack's clusters too: what they hold, and a server-side dry run.")
    ] = False,
    output: Annotated[
        Literal["table", "json", "sarif"],
        typer.Option("--output", "-o", help="table, json, or sarif (GitHub and editors show it at the lines)."),
    ] = "table",
    cwd: Cwd = ROOT,
) -> None:
    """Check policy before anything is touched. Without --live no cluster is asked.

    PATH without --stack: what can be said without a mesh. PATH with --stack: as if these files were all the policy that
    the stack declares.

    Exit codes: 0 nothing wrong, or warnings only; 1 errors; 2 wrong usage.
    """
    if live and not stack and paths:
        raise typer.BadParameter("needs --stack, which says where the clusters are", param_hint="--live")
    stack = stack or (None if paths else selected_stack(cwd))
    config = stack_config(cwd, stack) if stack else {}
    loaded = load_stack(stack, cwd) if stack and live else None
    mesh = loaded.mesh if loaded else undecrypted_mesh(config, cwd) if stack else None
    if mesh and paths:
        mesh = mesh.model_copy(update={"policies": []})
    if mesh and istio_version:
        mesh = _of_version(mesh, istio_version)
    read = _read(paths) if paths else read_items(mesh.policies if mesh else [], cwd)
    sample = load_sample(config.get("spanmesh:sample"))
    review = hear(
        mesh,
        gather(mesh, read),
        cwd,
        istio_version,
        own_name(stack or ""),
        loaded.accesses if loaded else {},
        {sample.namespace} if sample else frozenset(),
    )
    _print_review(_placed_at_files(review, stack, cwd, Path.cwd() if paths else cwd), stack, output)
    if review.errors:
        raise typer.Exit(1)


def _read(paths: Sequence[Path]) -> Read:
    try:
        return read_paths(paths)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from error


def _of_version(mesh: Mesh, version: str) -> Mesh:
    def other(istio: Istio) -> Istio:
        return istio.model_copy(update={"version": version})

    clusters = [cluster.model_copy(update={"istio": other(cluster.istio)}) for cluster in mesh.clusters]
    return mesh.model_copy(update={"istio": other(mesh.istio), "clusters": clusters})


def _print_review(review: Review, stack: str | None, output: str) -> None:
    if output == "json":
        typer.echo(json.dumps(findings.as_json(review), indent=2, ensure_ascii=False))
    elif output == "sarif":
        category = own_name(stack) if stack else "files"
        typer.echo(json.dumps(to_sarif(review, category), indent=2, ensure_ascii=False))
    else:
        for part in findings.tables(review):
            out.print(part)


def _placed_at_files(review: Review, stack: str | None, project: Path, base: Path) -> Review:
    """The same with each finding at a file, told from the working directory, and not at a key of the stack."""

    keys = {finding.file for finding in review.findings if finding.file.startswith(f"{MESH}.")}
    places = {key: line_of_key(project, stack, key) for key in keys} if stack else {}

    def there(finding: Finding) -> Finding:
        file, line, folder = finding.file, finding.line, base
        if file in places:
            (file, line), folder = places[file], project
        path = (folder / file).resolve()
        here = Path.cwd().resolve()
        return replace(
            finding, file=path.relative_to(here).as_posix() if path.is_relative_to(here) else file, line=line
        )

    return replace(review, findings=tuple(there(finding) for finding in review.findings))


@app.command("print")
def print_policy(
    stack: Annotated[str | None, typer.Option("--stack", "-s", help="Stack; default: the selected one.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Only what goes to this cluster.")] = None,
    cwd: Cwd = ROOT,
) -> None:
    """Print every object exactly as it is applied, and above it the clusters that it goes to."""
    name = stack or selected_stack(cwd)
    config = stack_config(cwd, name)
    if group := config.get(GROUP):
        cause = f"{name} brings up the clusters of the group {group}, and applies no policy"
        raise MeshConfigError([Problem("--stack", cause, "Name the stack of the whole mesh")])
    mesh = undecrypted_mesh(config, cwd)
    names = [c.name for c in mesh.clusters]
    if cluster is not None and cluster not in names:
        raise MeshConfigError(
            [Problem("--cluster", f"no cluster is called {cluster}", f"Clusters: {', '.join(names)}")]
        )
    gathered = gather(mesh, read_items(mesh.policies, cwd))
    _refuse_half(gathered)
    bodies = (
        (f"{_source(placed.document)} in {', '.join(placed.clusters)}", placed.document)
        for placed in gathered.placed
        if placed.clusters and cluster in (None, *placed.clusters)
    )
    _print_yaml((comment, applied(document, own_name(name))) for comment, document in bodies)


def _source(document: Document) -> str:
    return document.file if document.file.startswith(f"{MESH}.") else f"{document.file}:{document.line}"


def _refuse_half(gathered: Gathered) -> None:
    if stopping := [finding for finding in gathered.findings if finding.stops]:
        fail("not all of the policy can be placed:\n" + "\n".join(f"  - {finding}" for finding in stopping))


@app.command("canary")
def canary(
    service: ServiceArgument,
    weight: Annotated[list[str], typer.Option(help="VERSION=PERCENT; repeatable; they sum to 100.")],
    header: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE:VERSION: requests with it go to that version; repeatable.")
    ] = None,
    label: Annotated[str, typer.Option(help="Label of the pods that tells the version.")] = "version",
) -> None:
    """Print the VirtualService and DestinationRule of a canary; no stack is needed."""
    declared = {
        "service": service,
        "versions": dict(_pairs("--weight", weight, "v1=80")),
        "match": [_match(each) for each in header or []],
        "label": label,
    }
    _print_helper(Canary, declared, lambda item: list(checks.canary("canary", item)), "canary")


def _match(text: str) -> dict[str, Any]:
    ((name, value),) = _pairs("--header", [text], "x-user=tester:v2")
    exact, colon, version = value.rpartition(":")
    if not colon:
        raise typer.BadParameter(f"{text} does not end in :VERSION", param_hint="--header")
    return {"headers": {name: {"exact": exact}}, "version": version}


@app.command("locality-failover")
def locality_failover(
    service: ServiceArgument,
    failover: Annotated[
        list[str] | None, typer.Option(help="FROM=TO: region whose requests go to that one; repeatable.")
    ] = None,
    attempts: Annotated[int | None, typer.Option(min=0, help="How often a request is sent again; 0: never.")] = None,
) -> None:
    """Print the DestinationRule and VirtualService of a locality failover; no stack is needed."""
    declared: dict[str, Any] = {
        "service": service,
        "failover": [{"from": start, "to": to} for start, to in _pairs("--failover", failover or [], "eu-1=eu-2")],
    }
    if attempts is not None:
        declared["retries"] = {"attempts": attempts}
    _print_helper(
        LocalityFailover,
        declared,
        lambda item: list(checks.locality_failover("localityFailover", item, None)),
        "localityFailover",
    )


def _pairs(option: str, texts: Sequence[str], example: str) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter(f"{text}: expected {example}", param_hint=option)
        yield name, value


def _print_helper(
    model: type[Helper], declared: dict[str, Any], check: Callable[[Helper], list[Problem]], key: str
) -> None:
    try:
        helper = validated(model, declared, key)
        problems = check(helper)
    except MeshConfigError as error:
        problems = error.problems
    if problems:
        raise typer.BadParameter("\n".join(str(problem) for problem in problems))
    _print_yaml(("", document.body) for document in _documents(helper))


def _documents(helper: Canary | LocalityFailover) -> list[Document]:
    if isinstance(helper, Canary):
        return documents("", canary=helper)
    return documents("", failover=helper)


def _print_yaml(bodies: Iterator[tuple[str, Any]]) -> None:
    for comment, body in bodies:
        typer.echo("---" + (f"\n# {comment}" if comment else ""))
        typer.echo(yaml.dump(body, Dumper=_Plain, sort_keys=False, allow_unicode=True), nl=False)


class _Plain(yaml.SafeDumper):
    """YAML in which what stands twice is written twice, and not as an anchor."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
