"""`spanmesh gather`: one archive of everything that tells what a mesh does, with every secret masked."""

import platform
import re
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.markup import escape

from cli.console import err, step
from cli.drift import chosen, expected
from cli.options import AskedStack, Cwd
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiError
from cli.verify import ended_by_signals
from health.checks import CHECKS
from health.examination import examine
from health.observed import Observed
from live.bundle.archive import INDEX, Archive, archive
from live.bundle.clusters import Gathered, Wanted, gather_clusters
from live.bundle.known import known_secrets
from live.bundle.masker import Masker
from live.kubeconfig import ClusterAccess
from live.observed import observe, second_look
from policy.provenance import applied
from topology import MeshConfigError

NOT_WRITTEN, SILENT = 1, 2
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
README = """What `spanmesh gather` saw of the mesh of stack {stack}, from {at} on.

index.json lists every file with what it was read from, and what could not be had, with the reason.

  mesh.json, policy.json   what the stack declares
  health/                  what was seen of the mesh, and what every check says of it
  clusters/NAME/           Kubernetes objects
    policy/                Istio's objects, by kind
    istiod/POD/            its debug pages, metrics and log
    proxies/NAMESPACE/POD/ Envoy's configuration, hosts, certificates, statistics and log

Masked, before anything was written: private keys, tokens, kubeconfigs, passwords, credentials in headers and URLs, and
variables and arguments of containers that are not Istio's. Of Secrets it has names, types and ages.
<masked-1f2e3d4c> stands for one secret: the same one has the same mask everywhere in this archive, and nothing can be
concluded from it.

Not masked: names, labels, annotations, IP addresses and host names, certificates (public by their nature), metrics, and
of access logs everything but query strings, tokens and cookies. Whoever gets this archive learns these.
"""


@dataclass(frozen=True)
class Request:
    """What a bundle is asked to be.

    Attributes:
        output: file to write.
        accesses: the clusters to ask.
        wanted: what is looked at in them.
    """

    output: Path
    accesses: dict[str, ClusterAccess]
    wanted: Wanted


def gather(
    stack: AskedStack = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; default: spanmesh-STACK-TIME.tar.gz.", dir_okay=False),
    ] = None,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", help="Only this cluster. Repeatable.")] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Its workloads, proxies and their logs too. Repeatable."),
    ] = None,
    since: Annotated[str, typer.Option(help="How old log lines and events may be: 30s, 15m, 1h, 2d.")] = "1h",
    cwd: Cwd = ROOT,
) -> None:
    """Write an archive for whoever is to help: what istiods, gateways and proxies say, with every secret masked.

    Nothing is changed in the clusters. Exit code 0: written; what could not be had stands in its index. 1: not written.
    2: written, but some cluster did not answer at all.
    """
    age = duration(since)
    at = datetime.now(UTC)
    try:
        declared = load_stack(stack, cwd)
        accesses = {name: declared.accesses[name] for name in chosen(list(declared.accesses), cluster or [])}
    except (MeshConfigError, PulumiError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(NOT_WRITTEN) from error
    top = f"spanmesh-{declared.name.replace('/', '-')}-{at:%Y%m%dT%H%M%SZ}"
    path = output or Path(f"{top}.tar.gz")
    request = Request(path, accesses, Wanted(namespace or (), age))
    masker = Masker(known_secrets(declared.mesh, declared.accesses.values()))
    try:
        with ended_by_signals(), archive(path, top, masker) as made:
            found = _fill(declared, request, at, made)
    except OSError as error:
        err.print(f"[bold red]error:[/] {path} cannot be written: {error.strerror or error}", soft_wrap=True)
        raise typer.Exit(NOT_WRITTEN) from error
    _tell(made)
    typer.echo(f"{path} ({decimal(path.stat().st_size)})")
    raise typer.Exit(SILENT if any(each.silent for each in found) else 0)


def duration(text: str) -> timedelta:
    """What `30s`, `15m`, `1h` or `2d` stands for.

    Raises:
        typer.BadParameter: it is none of these, or of no length.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter(f"{text!r} is no length of time: give 30s, 15m, 1h or 2d", param_hint="--since")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _fill(declared: Stack, request: Request, at: datetime, into: Archive) -> list[Gathered]:
    """Everything, into the archive; the checks look at the clusters at the same time."""
    into.add("README.txt", README.format(stack=declared.name, at=at.isoformat(timespec="seconds")), "spanmesh gather")
    into.add("mesh.json", declared.mesh.model_dump(mode="json", by_alias=True, exclude_unset=True), "the stack file")
    step(f"{len(request.accesses)} clusters are asked")
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="health") as pool:
        health = pool.submit(_health, declared, request.accesses, into)
        found = gather_clusters(request.accesses, request.wanted, into, _progress)
        health.result()
    into.write_index(_about(declared, request, at))
    return found


def _health(declared: Stack, accesses: dict[str, ClusterAccess], into: Archive) -> None:
    """What was seen, and what every check says of it; a fault of ours here must not cost the rest of the bundle."""
    try:
        policy = expected(declared)
        documents = [{"clusters": list(p.clusters), **dict(applied(p.document, declared.name))} for p in policy.placed]
        into.add("policy.json", documents, "the policy that the stack declares")
    except MeshConfigError as error:
        policy = None
        into.lacks("policy.json", "the policy that the stack declares", str(error))
    try:
        observed = second_look(observe(declared.mesh, accesses), accesses, policy)
        into.add("health/observed.json", _facts(observed), "what was seen of the mesh")
        results = [
            {**asdict(r), "check": r.check.name, "because": str(r.because or "")} for r in examine(observed, CHECKS)
        ]
        into.add("health/results.json", results, "what every check says of it")
    except Exception as error:  # noqa: BLE001 - see above
        into.lacks("health/", "what every check says", f"{type(error).__name__}: {error}")


def _facts(observed: Observed) -> Any:
    return {"at": observed.at.isoformat(), "clusters": {name: asdict(each) for name, each in observed.clusters.items()}}


def _about(declared: Stack, request: Request, at: datetime) -> dict[str, Any]:
    return {
        "stack": declared.name,
        "began": at.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "clusters": list(request.accesses),
        "namespaces": list(request.wanted.namespaces),
        "seconds": request.wanted.since.total_seconds(),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {
        "spanmesh": str(project["version"]),
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version(name) for name in ("pulumi", "pulumi-kubernetes", "kubernetes")},
    }
    if git := shutil.which("git"):
        ran = subprocess.run([git, "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        found["commit"] = ran.stdout.strip() or "unknown"
    return found


def _progress(found: Gathered) -> None:
    if found.silent:
        step(f"{found.cluster}: {found.silent}")
        return
    lacking = f", {found.missing} could not be had" if found.missing else ""
    step(f"{found.cluster}: {found.files} files{lacking}, in {found.seconds:.1f} s")


def _tell(made: Archive) -> None:
    if made.missing:
        count = "1 thing" if len(made.missing) == 1 else f"{len(made.missing)} things"
        err.print(f"{count} could not be had: {INDEX} in the archive says what, and why", soft_wrap=True)
