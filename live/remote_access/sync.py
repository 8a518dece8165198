"""Waiting until the istiods of a cluster read their peers by the tokens that the stack declares, and no others.

Pulumi deletes what is no longer declared once the program has ended. So a program that ends only then never takes a
token, or a cluster, from an istiod that still uses it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pulumi

from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError
from live.remote_access.clusters import SYNCED, istiods, seconds_since_written
from live.remote_access.tokens import ReaderToken, reader_tokens

# istiod itself gives a cluster up after 30 s (PILOT_REMOTE_CLUSTER_TIMEOUT), and goes on trying.
PATIENCE_SECONDS = 45
BLOCKING_SECONDS = 180
# Each istiod and its proxies follow a change of the Secret within about a second; only the first use of a token shows.
SETTLE_SECONDS = 5
PROGRESS_SECONDS = 10


@dataclass
class Missing:
    """What keeps one reader from being done.

    Attributes:
        lines: one for each thing, for the user.
        blocks: whether something would be taken from an istiod that may still use it.
    """

    lines: list[str] = field(default_factory=list)
    blocks: bool = False

    def add(self, line: str, *, blocks: bool) -> None:
        """Note one thing."""
        self.lines.append(line)
        self.blocks |= blocks


def in_use(accesses: Mapping[str, ClusterAccess]) -> Callable[[str, Mapping[str, str]], Awaitable[None]]:
    """What :class:`components.remote_secret.RemoteSecret` waits by.

    Args:
        accesses: the clusters, by Istio's name.

    Returns:
        A coroutine function: given a reader's name and, by each peer's name, that of its token Secret, it returns when
        every istiod of the reader has synced with each peer by that token, and lists no other cluster of the remote
        Secret. It raises pulumi.RunError when an older token of the reader, or a cluster that it should have let go,
        would be deleted too early; where nothing would be lost it only warns.
    """

    async def wait(reader: str, tokens: Mapping[str, str]) -> None:
        started = reported = time.monotonic()
        while (missing := await asyncio.to_thread(look, accesses, reader, tokens)).lines:
            now = time.monotonic()
            if now - started > (BLOCKING_SECONDS if missing.blocks else PATIENCE_SECONDS):
                _give_up(reader, missing, now - started)
                return
            if now - reported > PROGRESS_SECONDS:
                reported = now
                pulumi.log.info(f"cluster {reader}: waiting: {'; '.join(missing.lines)}")
            await asyncio.sleep(1)

    return wait


def _give_up(reader: str, missing: Missing, seconds: float) -> None:
    lines = "".join(f"\n  - {line}" for line in missing.lines)
    if missing.blocks:
        raise pulumi.RunError(
            f"cluster {reader}: after {seconds:.0f} s its istiod still depends on what would be deleted now:{lines}\n"
            "Nothing was deleted. `istioctl remote-clusters` shows the same; run `pulumi up` again when it is cured"
        )
    pulumi.log.warn(
        f"cluster {reader}: its istiod does not read all of its peers yet:{lines}\n"
        "Check that it reaches their API servers at the `apiServer` of the stack file. Where another installer made "
        "the mesh, `spanmesh adopt` has it read by the stack's own remote Secret"
    )


def look(accesses: Mapping[str, ClusterAccess], reader: str, tokens: Mapping[str, str]) -> Missing:
    """What is missing now.

    Args:
        accesses: the clusters, by Istio's name.
        reader: the cluster whose istiods read.
        tokens: by the name of each peer, that of the reader's token Secret there.
    """
    missing = Missing()
    others = {peer: _tokens(accesses[peer], reader, missing) for peer in tokens}
    unused = {
        peer: [t for t in found if t.secret == tokens[peer] and not t.last_used] for peer, found in others.items()
    }
    rotating = {peer for peer, found in others.items() if any(t.secret != tokens[peer] for t in found)}
    try:
        running = istiods(accesses[reader])
        age = seconds_since_written(accesses[reader])
    except UnreachableError as error:
        # What it uses shows only in the tokens' own marks.
        missing.add(str(error), blocks=any(unused[peer] for peer in rotating))
        return missing
    if not running:
        # One that starts later reads the Secret as it is then.
        return Missing()
    for peer, found in unused.items():
        for token in found:
            missing.add(f"its new token {token.secret} in cluster {peer} is not used yet", blocks=peer in rotating)
    for istiod in running:
        for peer in tokens:
            if (state := istiod.remotes.get(peer, "not known")) != SYNCED:
                missing.add(f"{istiod.pod} has not synced with cluster {peer}: {state}", blocks=peer in rotating)
        for peer in istiod.remotes.keys() - tokens.keys():
            missing.add(f"{istiod.pod} still reads cluster {peer}, which it should let go", blocks=True)
    if age is not None and 0 <= age < SETTLE_SECONDS:
        missing.add(f"its remote Secret changed {age:.0f} s ago", blocks=bool(rotating))
    return missing


def _tokens(peer: ClusterAccess, reader: str, missing: Missing) -> list[ReaderToken]:
    try:
        return [token for token in reader_tokens(peer) if token.reader == reader]
    except UnreachableError as error:
        missing.add(str(error), blocks=False)
        return []
