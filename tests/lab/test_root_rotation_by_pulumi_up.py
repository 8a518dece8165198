"""The root replaced stage by stage, by the stack file and `pulumi up` alone, under Istio 1.22.3 and under load.

That Istio compares the texts of two bundles byte for byte before it takes another one.
"""

import base64
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from health.observed import Unknown
from live.client import api_client
from live.load.constant import LoadResult, constant_requests
from live.trust.held import read_all_held
from tests.lab.kubectl import eventually
from tests.lab.nothing_left import nothing_left
from tests.lab.stacks import LabStack
from topology.certificates import describe

pytestmark = pytest.mark.lab
CLUSTERS = ("cluster1", "cluster2")
STAGES = ("both-trusted", "new-signs", "new-only")


@dataclass(frozen=True)
class Mesh:
    """What stands in the clusters at one moment.

    Attributes:
        cacerts: by cluster, uid and files of the Secret ``cacerts``.
        pods: by cluster, ``name restarts`` of each pod of the mesh.
    """

    cacerts: dict[str, tuple[str, dict[str, str]]]
    pods: dict[str, set[str]]

    @classmethod
    def seen(cls, stack: LabStack) -> "Mesh":
        """As it is now."""
        cacerts, pods = {}, {}
        for name, access in stack.accesses.items():
            with api_client(access) as api:
                core = client.CoreV1Api(api)
                secret = core.read_namespaced_secret("cacerts", "istio-system")
                found = [pod for space in ("istio-system", "sample") for pod in core.list_namespaced_pod(space).items]
            files = {file: base64.b64decode(value).decode() for file, value in secret.data.items()}
            cacerts[name] = (secret.metadata.uid, files)
            pods[name] = {
                f"{pod.metadata.name} {sum(each.restart_count for each in pod.status.container_statuses)}"
                for pod in found
            }
        return cls(cacerts, pods)

    def file(self, name: str) -> set[str]:
        """A file of ``cacerts``, in each cluster."""
        return {files[name] for _, files in self.cacerts.values()}

    def root_cert(self) -> str:
        """``root-cert.pem``, which is one text in all clusters."""
        (text,) = self.file("root-cert.pem")
        return text


@dataclass
class Rotation:
    """A rotation from end to end, and what was seen of it."""

    skipped: subprocess.CompletedProcess[str]
    by_stage: dict[str, Mesh] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    loads: dict[str, LoadResult] = field(default_factory=dict)
    only_new: bool = False


@pytest.fixture(scope="module")
def stack(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    """A mesh of Istio 1.22.3 whose root Pulumi protects."""
    stack = LabStack.make(tmp_path_factory.mktemp("stages"), environment)
    stack.mesh["istio"]["version"] = "1.22.3"
    stack.mesh["trust"] = {}
    stack.write()
    with nothing_left(stack):
        try:
            stack.up()
            yield stack
        finally:
            stack.attempt("state", "unprotect", "--all", "--yes")


def declare(stack: LabStack, trust: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """`pulumi up` with another trust; it may be refused."""
    stack.mesh["trust"] = trust
    stack.write()
    return stack.attempt("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module")
def rotation(stack: LabStack) -> Rotation:
    """The whole rotation under load: a stage left out, which is refused; then each; then its end."""
    with ExitStack() as running:
        loads = {
            name: running.enter_context(constant_requests(access, "sample", 900))
            for name, access in stack.accesses.items()
        }
        seen = Rotation(declare(stack, {"rotation": {"stage": "new-signs"}}))
        seen.by_stage["old"] = Mesh.seen(stack)
        for stage in STAGES:
            ended = declare(stack, {"rotation": {"stage": stage}})
            assert ended.returncode == 0, ended.stdout
            seen.by_stage[stage] = Mesh.seen(stack)
            seen.outputs[stage] = stack.pulumi.outputs()
        ended = declare(stack, {"generation": 2})
        assert ended.returncode == 0, ended.stdout
        seen.by_stage["finished"] = Mesh.seen(stack)
        seen.outputs["finished"] = stack.pulumi.outputs()
        seen.only_new = eventually(lambda: trusted(stack) == {seen.outputs["finished"]["root"]["sha256"]}, 150)
        seen.loads = {name: load.result() for name, load in loads.items()}
    return seen


def trusted(stack: LabStack) -> set[str]:
    """Fingerprints of the roots that any running proxy trusts."""
    held = read_all_held(stack.accesses)
    found = {
        root.fingerprint
        for each in held.values()
        if not isinstance(each, Unknown)
        for p in each.proxies
        for root in p.roots
    }
    silent = any(isinstance(each, Unknown) or each.silent for each in held.values())
    return found | ({"somebody does not answer"} if silent else set())


def test_a_stage_left_out_is_refused_before_anything_is_touched(rotation: Rotation) -> None:
    said = rotation.skipped.stdout
    assert rotation.skipped.returncode != 0
    assert "spanmesh:mesh.trust.rotation.stage: the roots cannot change yet" in said
    for name in CLUSTERS:
        assert f"{name}: istio-eastwestgateway-" in said
    assert "does not trust the root that is to sign" in said
    assert "Go one stage at a time" in said
    # Nothing was made, not even the root that was asked for.
    assert rotation.by_stage["old"].root_cert().count("BEGIN CERTIFICATE") == 1


def test_no_request_fails_and_no_pod_is_restarted(rotation: Rotation) -> None:
    for name in CLUSTERS:
        assert rotation.loads[name].failures == []
        assert rotation.loads[name].sent > 100
        assert set(rotation.loads[name].answers) == set(CLUSTERS)
        assert rotation.by_stage["finished"].pods[name] == rotation.by_stage["old"].pods[name]


def test_every_stage_has_its_text_of_roots_and_each_contains_its_neighbour(rotation: Rotation) -> None:
    texts = {stage: mesh.root_cert() for stage, mesh in rotation.by_stage.items()}
    old, new = texts["old"], texts["finished"]
    assert old != new
    assert texts["both-trusted"] == old + new
    assert texts["new-signs"] == old + new + new
    assert texts["new-only"] == new
    assert all(one in other or other in one for one, other in pairwise(texts.values()))
    for stage, mesh in rotation.by_stage.items():
        root = old if stage in ("old", "both-trusted") else new
        assert all(chain.endswith(root) for chain in mesh.file("cert-chain.pem"))
    uids = [{name: uid for name, (uid, _) in mesh.cacerts.items()} for mesh in rotation.by_stage.values()]
    assert all(each == uids[0] for each in uids)


def test_every_proxy_ends_with_the_new_root_alone(rotation: Rotation) -> None:
    assert rotation.only_new


def test_outputs_say_the_stage_and_every_end(rotation: Rotation) -> None:
    old, new = (describe(rotation.by_stage[stage].root_cert()) for stage in ("old", "finished"))
    for stage in STAGES:
        outputs = rotation.outputs[stage]
        said = {key: value for key, value in outputs["rotation"].items() if key != "newExpires"}
        assert said == {"stage": stage, "present": old.sha256, "new": new.sha256}
        assert same_second(outputs["rotation"]["newExpires"], new.expires)
        ends = {(each["what"], each["cluster"]): each["expires"] for each in outputs["expiries"]}
        assert ends.keys() == {("root", ""), ("new root", ""), *(("intermediate", name) for name in CLUSTERS)}
        assert same_second(ends["root", ""], old.expires)
    finished = rotation.outputs["finished"]
    assert finished.get("rotation") is None
    assert finished["root"]["sha256"] == new.sha256
    assert same_second(finished["root"]["expires"], new.expires)


def same_second(one: str, other: str) -> bool:
    """Whether two times are one: of a certificate that it makes, Pulumi's provider says parts of the second too."""
    return abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)) < timedelta(seconds=1)


def test_the_old_root_is_gone_from_the_state_and_no_key_stands_there_in_plain_text(
    stack: LabStack, rotation: Rotation
) -> None:
    state = stack.attempt("stack", "export").stdout
    backend = "".join(path.read_text(errors="replace") for path in Path(stack.project / "backend").rglob("*.json"))
    assert "::mesh-trust-root-2-key" in state
    assert "::mesh-trust-root-key" not in state
    keys = {key for mesh in rotation.by_stage.values() for key in mesh.file("ca-key.pem")}
    # A new key in each cluster once the new root signs.
    assert len(keys) == 2 * len(CLUSTERS)
    for text in (state, backend):
        assert '"urn:pulumi:' in text
        assert "PRIVATE KEY" not in text
        assert not any(base64.b64encode(key.encode()).decode() in text for key in keys)
