"""Istio's own verdict: `istioctl validate` and `istioctl analyze`, of the version that each cluster runs."""

import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from judges.analysis import analyse
from judges.rules import REFUSED, RULES, SAME, WARNED
from judges.running import run
from judges.written_out import WrittenOut
from policy.document import Document
from policy.finding import Finding, Rule, at
from policy.world import World
from policy.written import is_stub
from toolchain import Toolchain, ToolError
from topology.defaults import istio_of

__all__ = ["RULES", "Opinion", "second_opinion"]

ENTRY = re.compile(r"^\t\* (?P<kind>[^/\s]+)/(?P<namespace>[^/\s]*)/(?P<name>[^:\s]+): (?P<says>.*)$")
# What validate says of every EnvoyFilter, whatever is in it: SM309 looks at what this one does.
ALWAYS = "EnvoyFilter exposes internal implementation details"


@dataclass(frozen=True)
class Opinion:
    """What the second judge says.

    Attributes:
        findings: where it objects.
        missing: why it could not be heard, one sentence each.
    """

    findings: tuple[Finding, ...]
    missing: tuple[str, ...]


def second_opinion(world: World, own: Iterable[Finding] = (), version: str | None = None) -> Opinion:
    """What istioctl says of the world's policy, cluster by cluster, without what is said of it already.

    Args:
        world: the mesh, its policy and what is live.
        own: what our own rules found. What they refuse for its shape, istioctl refuses too: it is not said twice.
        version: Istio's, where there is no mesh; default is the toolchain's current one.
    """
    tools = Toolchain()
    findings: dict[Finding, None] = {}
    missing: dict[str, None] = {}
    for each, clusters in _versions(world, version or tools.catalogue.current_istio).items():
        program = find(each, tools)
        if isinstance(program, str):
            missing[program] = None
            continue
        placed = [p for p in world.placed if not p.clusters or set(p.clusters) & set(clusters)]
        try:
            said = [
                *validate(program, [p.document for p in placed if not is_stub(p.document)]),
                *analyse(program, world, placed, clusters),
            ]
        except (OSError, subprocess.SubprocessError, ValueError) as cause:
            missing[f"istioctl {each} could not be heard: {cause}"] = None
            continue
        findings |= dict.fromkeys(said)
    return Opinion(tuple(_new(findings, own)), tuple(missing))


def find(version: str, tools: Toolchain) -> Path | str:
    """istioctl of this very version: from the toolchain, or on PATH; or else why there is none."""
    name = f"istioctl@{version}"
    if any(spec.id == name for spec in tools.catalogue.tools):
        try:
            tool = tools.find(name)
        except ToolError as cause:
            return f"istioctl {version} could not be had: {cause}"
        return tool.path if tool else f"istioctl {version} is not there: `spanmesh tools install` has it"
    if (path := shutil.which("istioctl")) is None:
        return f"istioctl {version} is not there: put that version on PATH"
    ran = subprocess.run([path, "version", "--remote=false"], capture_output=True, text=True, timeout=20, check=False)
    match = re.search(r"(?m)^(?:client version: )?(\d\S*)", ran.stdout)
    found = match.group(1) if match else "unknown"
    return Path(path) if found == version else f"{path} is version {found}; put istioctl {version} on PATH"


def validate(program: Path, documents: Sequence[Document]) -> Iterator[Finding]:
    """What `istioctl validate` refuses, and what it warns of.

    Args:
        program: istioctl.
        documents: what it is shown; those that are no policy of Istio it passes over.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be run.
        ValueError: it ended without a verdict.
    """
    # Its output names objects, not files: no two of one name are shown to it at once.
    rounds: list[dict[tuple[str, str, str], Document]] = []
    for document in documents:
        identity = document.kind, document.namespace, document.name
        room = next((each for each in rounds if identity not in each), None)
        if room is None:
            rounds.append(room := {})
        room[identity] = document
    for shown in rounds:
        with tempfile.TemporaryDirectory(prefix="spanmesh-") as folder:
            written = WrittenOut(Path(folder), list(shown.values()))
            yield from _verdict(run(program, "validate", *(f"--filename={path}" for path in written.files)), shown)


def _verdict(
    ran: subprocess.CompletedProcess[str], shown: Mapping[tuple[str, str, str], Document]
) -> Iterator[Finding]:
    said = list(_entries(ran.stderr + "\n" + ran.stdout, shown))
    refused = ran.returncode != 0
    if refused and not any(rule is REFUSED for _, rule, _ in said):
        raise ValueError((ran.stderr.strip() or ran.stdout.strip() or f"it ended with {ran.returncode}")[-500:])
    for document, rule, message in said:
        if ALWAYS not in message:
            yield at(document, (), rule, f"istioctl validate: {message}")


def _entries(output: str, shown: Mapping[tuple[str, str, str], Document]) -> Iterator[tuple[Document, Rule, str]]:
    rule = WARNED
    entry: list[str] = []
    document: Document | None = None
    for line in [*output.splitlines(), ""]:
        match = ENTRY.match(line)
        if document and (match or not line.strip() or not line.startswith(("\t", " "))):
            yield document, rule, " ".join(entry).strip()
            document = None
        if match:
            document = shown.get((match["kind"], match["namespace"], match["name"]))
            entry = [match["says"]]
        elif document:
            entry.append(line.strip())
        elif "has warnings:" in line:
            rule = WARNED
        elif "error occurred:" in line or "errors occurred:" in line:
            rule = REFUSED


def _versions(world: World, without_mesh: str) -> dict[str, tuple[str, ...]]:
    if world.mesh is None:
        return {without_mesh: ()}
    versions: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for cluster in world.mesh.clusters:
        versions[istio_of(world.mesh, cluster).version or without_mesh] += (cluster.name,)
    return versions


def _new(findings: Iterable[Finding], own: Iterable[Finding]) -> Iterator[Finding]:
    ours = list(own)
    misshaped = {(f.file, f.subject) for f in ours if f.rule.code.startswith("SM11") and f.rule.severity == "error"}
    codes = {(f.file, f.subject, f.rule.code) for f in ours}
    for finding in findings:
        place = finding.file, finding.subject
        if finding.rule is REFUSED and place in misshaped:
            continue
        if any((*place, code) in codes for code in SAME.get(_code(finding.message), ())):
            continue
        yield finding


def _code(message: str) -> str:
    match = re.search(r"IST\d{4}", message)
    return match.group() if match else next((text for text in SAME if text in message), "")
