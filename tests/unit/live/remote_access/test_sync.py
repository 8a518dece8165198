"""When a program may end: what of a reader still hangs on what Pulumi would delete next."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pulumi
import pytest

from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError
from live.remote_access import sync
from live.remote_access.clusters import Istiod
from live.remote_access.sync import in_use, look
from live.remote_access.tokens import ReaderToken

ACCESSES = {name: ClusterAccess(name, {}) for name in ("cluster1", "cluster2", "cluster3")}
OLD, NEW = "istio-reader-cluster1-token", "istio-reader-cluster1-token-12345678"
TOKENS = {"cluster2": NEW}


def token(secret: str, *, used: bool) -> ReaderToken:
    return ReaderToken("cluster1", secret, datetime.now(UTC), date.today() if used else None, None)  # noqa: DTZ011


@dataclass
class Clusters:
    """What the clusters say: of cluster1 as the reader, and of cluster2 and cluster3 as its peers."""

    remotes: list[Mapping[str, str]] = field(default_factory=lambda: [{"cluster2": "synced"}])
    tokens: list[ReaderToken] = field(default_factory=lambda: [token(NEW, used=True)])
    written: float | None = 3600
    unreachable: set[str] = field(default_factory=set)

    def istiods(self, access: ClusterAccess) -> list[Istiod]:
        self._reach(access)
        return [Istiod(f"istiod-{n}", remotes) for n, remotes in enumerate(self.remotes)]

    def reader_tokens(self, access: ClusterAccess) -> list[ReaderToken]:
        self._reach(access)
        return [*self.tokens, ReaderToken("cluster9", "of another reader", datetime.now(UTC), None, None)]

    def seconds_since_written(self, access: ClusterAccess) -> float | None:
        return self.written

    def _reach(self, access: ClusterAccess) -> None:
        if access.name in self.unreachable:
            raise UnreachableError(access.name, "no answer", "Wait")


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    """All is well, until a test changes it."""
    found = Clusters()
    for name in ("istiods", "reader_tokens", "seconds_since_written"):
        monkeypatch.setattr(sync, name, getattr(found, name))
    return found


def test_nothing_is_missing_when_every_istiod_reads_every_peer_by_its_token(clusters: Clusters) -> None:
    clusters.remotes *= 2
    assert look(ACCESSES, "cluster1", TOKENS).lines == []


def test_an_old_token_is_kept_while_one_of_two_istiods_has_not_synced_by_the_new_one(clusters: Clusters) -> None:
    clusters.tokens.append(token(OLD, used=True))
    clusters.remotes.append({"cluster2": "syncing"})
    missing = look(ACCESSES, "cluster1", TOKENS)
    assert missing.lines == ["istiod-1 has not synced with cluster cluster2: syncing"]
    assert missing.blocks


def test_an_old_token_is_kept_while_the_new_one_is_unused(clusters: Clusters) -> None:
    clusters.tokens = [token(OLD, used=True), token(NEW, used=False)]
    missing = look(ACCESSES, "cluster1", TOKENS)
    assert missing.lines == [f"its new token {NEW} in cluster cluster2 is not used yet"]
    assert missing.blocks


def test_an_old_token_is_kept_for_some_seconds_after_the_remote_secret_changed(clusters: Clusters) -> None:
    clusters.tokens.append(token(OLD, used=True))
    clusters.written = 1
    assert look(ACCESSES, "cluster1", TOKENS).blocks
    clusters.written = sync.SETTLE_SECONDS
    assert look(ACCESSES, "cluster1", TOKENS).lines == []


def test_a_cluster_is_not_deleted_while_an_istiod_reads_it(clusters: Clusters) -> None:
    clusters.remotes = [{"cluster2": "synced", "cluster3": "synced"}]
    missing = look(ACCESSES, "cluster1", TOKENS)
    assert missing.lines == ["istiod-0 still reads cluster cluster3, which it should let go"]
    assert missing.blocks


def test_a_first_token_that_is_unused_holds_nothing_up(clusters: Clusters) -> None:
    clusters.tokens = [token(NEW, used=False)]
    clusters.remotes = [{"cluster2": "timeout"}]
    missing = look(ACCESSES, "cluster1", TOKENS)
    assert len(missing.lines) == 2
    assert not missing.blocks


def test_a_reader_without_an_istiod_depends_on_nothing(clusters: Clusters) -> None:
    clusters.remotes = []
    clusters.tokens = [token(OLD, used=True), token(NEW, used=False)]
    assert look(ACCESSES, "cluster1", TOKENS).lines == []


def test_an_unreachable_reader_keeps_its_old_token_and_nothing_else_waits_for_it(clusters: Clusters) -> None:
    clusters.unreachable = {"cluster1"}
    missing = look(ACCESSES, "cluster1", TOKENS)
    assert "cluster cluster1: no answer" in missing.lines[0]
    assert not missing.blocks
    clusters.tokens = [token(OLD, used=True), token(NEW, used=False)]
    assert look(ACCESSES, "cluster1", TOKENS).blocks


def test_an_unreachable_peer_is_named_and_holds_nothing_up(clusters: Clusters) -> None:
    clusters.unreachable = {"cluster2"}
    clusters.remotes = [{"cluster2": "timeout"}]
    missing = look(ACCESSES, "cluster1", TOKENS)
    assert "cluster cluster2: no answer" in missing.lines[0]
    assert not missing.blocks


def test_the_wait_ends_with_an_error_that_names_reader_peer_and_what_is_missing(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "BLOCKING_SECONDS", -1)
    clusters.tokens = [token(OLD, used=True), token(NEW, used=False)]
    with pytest.raises(pulumi.RunError) as refused:
        asyncio.run(wait())
    for text in ("cluster cluster1", NEW, "in cluster cluster2 is not used yet", "Nothing was deleted"):
        assert text in str(refused.value)


def test_what_holds_nothing_up_ends_with_a_warning(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(sync, "PATIENCE_SECONDS", -1)
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    clusters.remotes = [{"cluster2": "timeout"}]
    asyncio.run(wait())
    assert "istiod-0 has not synced with cluster cluster2: timeout" in warnings[0]


async def wait() -> None:
    await in_use(ACCESSES)("cluster1", TOKENS)
