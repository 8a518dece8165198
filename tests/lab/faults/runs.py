"""Runs of `pulumi` that end before their time, and what they leave."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from live.client import api_client
from live.helm_records import helm_records
from live.kubeconfig import ClusterAccess
from live.policy.api import Api, Kind
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack

DONE = r" (?:created|updated|deleted) \("
SECONDS = 300
ATTEMPTS = 4
APPLIES = "pulumi-kubernetes"
HELM_RECORD = "helm.sh/release.v1"
What = Literal["pulumi alone", "all its processes"]


@dataclass(frozen=True)
class Run:
    """A running `pulumi` command.

    Attributes:
        process: Pulumi's CLI.
        output: where both its outputs go.
    """

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text()

    def until(self, what: str, times: int = 1) -> bool:
        """Wait until it has printed something so often; false where it ended before."""
        deadline = time.monotonic() + SECONDS
        while len(re.findall(what, self.text)) < times:
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return True

    def kill(self, what: What) -> None:
        """SIGKILL; plug-ins and the program, in process groups of their own, run on where Pulumi alone is killed."""
        if what == "pulumi alone":
            self.process.kill()
        else:
            kill_session(self.process.pid)
        self.process.wait()

    def end(self) -> str:
        """Wait for its end, which has to be good; returns what it printed."""
        self.process.wait(timeout=SECONDS)
        assert self.process.returncode == 0, self.text
        return self.text


@contextmanager
def running(stack: LabStack, output: Path, *arguments: str) -> Iterator[Run]:
    """A `pulumi` command in a session of its own, of which nothing is left afterwards."""
    with output.open("w") as file:
        process = subprocess.Popen(
            ["pulumi", *arguments, "--yes", "--skip-preview", "--stack", stack.name, "--non-interactive"],
            cwd=stack.project,
            env={**os.environ, **stack.environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Run(process, output)
    finally:
        kill_session(process.pid)
        process.wait()


def kill_session(session: int) -> None:
    """SIGKILL to every process of a session."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == session:
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue


class Held(NamedTuple):
    """An object as the state or a cluster knows it."""

    cluster: str
    kind: str
    name: str
    uid: str


def in_state(stack: LabStack) -> list[Held]:
    """Every object of Kubernetes that the state holds, but those of Helm."""
    return [
        Held(cluster_of(resource), body["kind"], body["metadata"]["name"], body["metadata"]["uid"])
        for resource in resources(stack)
        if (body := resource.get("outputs") or {}).get("kind") and resource["type"].startswith("kubernetes:")
    ]


def in_clusters(accesses: Mapping[str, ClusterAccess]) -> dict[Held, bool]:
    """Every object in the clusters, of whatever kind, and whether Pulumi has set a field of it."""
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        return {held: applied for found in pool.map(_objects, accesses.values()) for held, applied in found}


def _objects(access: ClusterAccess) -> list[tuple[Held, bool]]:
    with api_client(access) as client:
        api = Api(client)
        return [
            (Held(access.name, kind.kind, item["metadata"]["name"], item["metadata"]["uid"]), _applied(item))
            for kind in _kinds(api)
            for item in api.list(kind)
            if item.get("type") != HELM_RECORD and "uid" in item["metadata"]
        ]


def _applied(item: Mapping[str, Any]) -> bool:
    return any(m["manager"].startswith(APPLIES) for m in item["metadata"].get("managedFields") or ())


def _kinds(api: Api) -> Iterator[Kind]:
    """Every kind that can be listed, in the version that the cluster prefers."""
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in api.get("/apis")["groups"])]
    for each in versions:
        group, _, version = each.rpartition("/")
        for found in api.get(f"/apis/{each}" if group else "/api/v1")["resources"]:
            if "/" not in found["name"] and "list" in found["verbs"]:
                yield Kind(group, version, found["kind"], found["name"], found["namespaced"])


def resources(stack: LabStack) -> list[dict[str, Any]]:
    """The resources of the state."""
    return list(stack.pulumi.read("stack", "export")["deployment"].get("resources") or [])


def pending(stack: LabStack) -> list[str]:
    """Names of the resources that a run had begun with when it ended."""
    operations = stack.pulumi.read("stack", "export")["deployment"].get("pending_operations") or []
    return [str(each["resource"]["urn"]).rpartition("::")[2] for each in operations]


def cluster_of(resource: Mapping[str, Any]) -> str:
    """Istio's name of the cluster that a resource is in."""
    return str(resource["provider"]).split("::")[-2]


def go_on(stack: LabStack, *arguments: str) -> None:
    """Run a command again and again, each time doing what its refusal names, until it comes to a good end."""
    for _ in range(ATTEMPTS):
        ended = stack.attempt(*arguments, "--yes", "--skip-preview")
        if ended.returncode == 0:
            return
        cure(stack, ended.stdout)
    raise AssertionError(ended.stdout)


def killed(stack: LabStack, left: ExitStack, output: Path, what: What, at: tuple[str, int], *arguments: str) -> None:
    """Begin with a command, doing what a refusal names first, and kill it at a point of its way.

    Args:
        stack: the stack.
        left: when it is closed, what a kill of Pulumi alone has left ends as well.
        output: where the run prints to.
        what: what is killed.
        at: what it has to have printed, and how often.
        arguments: the command.
    """
    for number in range(ATTEMPTS):
        run = left.enter_context(running(stack, output.with_suffix(f".{number}"), *arguments))
        if run.until(*at):
            run.kill(what)
            return
        cure(stack, run.text)
    raise AssertionError(run.text)


def cure(stack: LabStack, refused: str) -> None:
    """Do what a refusal names; fail where it names nothing."""
    if "`pulumi cancel`" in refused:
        ended = stack.attempt("cancel", "--yes")
    else:
        assert "`spanmesh repair`" in refused, refused
        ended = spanmesh(stack, "repair")
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"


def applied(stack: LabStack) -> set[Held]:
    """The objects in the clusters that Pulumi has set a field of."""
    return {held for held, by_pulumi in in_clusters(stack.accesses).items() if by_pulumi}


def settled(stack: LabStack) -> None:
    """Everything is accounted for, and nothing is left to do."""
    accounted(stack)
    ended = stack.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout


def accounted(stack: LabStack) -> None:
    """Nothing is duplicated, orphaned, lost or half done: state, clusters and Helm's records say the same."""
    assert pending(stack) == []
    state = in_state(stack)
    assert len({held.uid for held in state}) == len(state)
    live = in_clusters(stack.accesses)
    assert set(state) <= live.keys()
    assert {held for held, applied in live.items() if applied} <= set(state)
    for access in stack.accesses.values():
        records = helm_records(access)
        assert {record.release for record in records} == {"istio-base", "istiod"}
        assert [str(record) for record in records if record.pending] == []
