"""One mesh whose root is replaced under load, with everything that can come between: killed, rolled back, refused."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from kubernetes import client

from health.observed import Unknown
from health.trust_change import HeldTrust
from lab import Lab
from live.client import api_client
from live.load.watched import WatchedLoad, WatchedResult, watched_requests
from live.trust.held import read_all_held
from tests.lab.nothing_left import nothing_left
from tests.lab.rotation.command import Ended, rotate
from tests.lab.stacks import LabStack

# Of every cluster's client; what they have sent is waited for at the end.
REQUESTS = int(os.environ.get("SPANMESH_TEST_REQUESTS", "2000"))
PER_SECOND, LOAD_SECONDS = 40, 3600


@dataclass(frozen=True)
class Moment:
    """What was declared and held at one moment.

    Attributes:
        stage: the stage in the stack file; None: no rotation.
        held: by cluster, of every istiod and every proxy.
    """

    stage: str | None
    held: dict[str, HeldTrust]

    @property
    def trusted(self) -> set[frozenset[str]]:
        """The sets of roots that proxies trust; one, where all agree."""
        return {
            frozenset(root.fingerprint for root in proxy.roots) for each in self.held.values() for proxy in each.proxies
        }

    @property
    def signs(self) -> set[str]:
        """The roots under which istiods sign."""
        return {
            istiod.root
            for each in self.held.values()
            if not isinstance(each.istiods, Unknown)
            for istiod in each.istiods
        }


@dataclass
class Rotated:
    """The rotation, as it went.

    Attributes:
        stack: the mesh, after it.
        present: fingerprint of the root before it.
        killed: by stage, the run that was killed in it.
        resumed: the runs after a kill that came to their ends, in order.
        rolled_back: by the stage that was left, the run and what came of it.
        refused: a run while an API server was away.
        untouched: whether that one left stack file and Secrets as they were.
        intermediate: the run that gave cluster2 another intermediate.
        cacerts: before that run, and after it.
        load: what the requests got during all of it.
        moment: after the root was replaced.
    """

    stack: LabStack
    present: str
    killed: dict[str, Ended] = field(default_factory=dict)
    resumed: Ended | None = None
    rolled_back: dict[str, tuple[Ended, Moment]] = field(default_factory=dict)
    refused: Ended | None = None
    untouched: bool = False
    intermediate: Ended | None = None
    cacerts: list[dict[str, dict[str, str]]] = field(default_factory=list)
    load: WatchedResult | None = None
    moment: Moment | None = None

    def now(self) -> Moment:
        """What is declared and held now."""
        held = {name: each for name, each in read_all_held(self.stack.accesses).items() if isinstance(each, HeldTrust)}
        return Moment(self.declared().get("rotation", {}).get("stage"), held)

    def declared(self) -> dict[str, Any]:
        """Trust, as the stack file declares it now."""
        config = yaml.safe_load(self.stack.path.read_text())["config"]
        return dict(config["spanmesh:mesh"].get("trust") or {})

    def kill(self, stage: str, at: str) -> None:
        """Run the command, and kill it once it has said something within a stage."""
        self.killed[stage] = rotate(self.stack, "root", kill_at=(f"Stage {stage}: the", at))

    def roll_back(self, stage: str) -> None:
        """Run the command back from a stage."""
        self.rolled_back[stage] = (rotate(self.stack, "root", "--rollback"), self.now())


def cacerts(stack: LabStack) -> dict[str, dict[str, str]]:
    """Files of ``cacerts``, by cluster."""
    found = {}
    for name, access in stack.accesses.items():
        with api_client(access) as api:
            secret = client.CoreV1Api(api).read_namespaced_secret("cacerts", "istio-system")
        found[name] = {file: base64.b64decode(value).decode() for file, value in secret.data.items()}
    return found


@pytest.fixture(scope="package")
def stack(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    """Two clusters on different networks with the sample, under a root that Pulumi makes."""
    stack = LabStack.make(tmp_path_factory.mktemp("rotation"), environment)
    with nothing_left(stack):
        try:
            stack.up()
            yield stack
        finally:
            stack.attempt("cancel", "--yes")


@pytest.fixture(scope="package")
def rotated(lab: Lab, stack: LabStack) -> Rotated:
    """One rotation: killed in every stage and run again, rolled back from every stage, with an API server away once."""
    seen = Rotated(stack, stack.pulumi.outputs()["root"]["sha256"])
    with watched_requests(stack.accesses, "sample", LOAD_SECONDS, per_second=PER_SECOND) as load:
        _rotate(lab, seen, load)
        load.wait_for(REQUESTS, LOAD_SECONDS)
        seen.load = load.result()
    return seen


def _rotate(lab: Lab, seen: Rotated, load: WatchedLoad) -> None:
    load.wait_for(20, 60)
    seen.kill("both-trusted", "Updating (")
    # Goes on from there, and has changed the Secret of one cluster when it is killed.
    seen.kill("new-signs", "cacerts updated")
    seen.roll_back("new-signs")
    seen.roll_back("both-trusted")
    seen.kill("new-only", "cacerts updated")
    seen.roll_back("new-only")
    before = (seen.stack.path.read_text(), cacerts(seen.stack))
    with lab.faults.api_server_stopped("cluster2"):
        seen.refused = rotate(seen.stack, "root")
    seen.untouched = (seen.stack.path.read_text(), cacerts(seen.stack)) == before
    seen.kill("finished", "deleting")
    seen.resumed = rotate(seen.stack, "root")
    seen.moment = seen.now()
    seen.cacerts.append(cacerts(seen.stack))
    seen.intermediate = rotate(seen.stack, "intermediate", "--cluster", "cluster2")
    seen.cacerts.append(cacerts(seen.stack))
