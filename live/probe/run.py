"""The probe in all clusters of a mesh, from its making to its removal."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType

from health.matrix import Matrix
from health.observed import GatewayHandshake, Observed, Unknown
from live.kubeconfig import ClusterAccess
from live.probe.gateways import gateway_addresses
from live.probe.handshakes import handshakes
from live.probe.matrix import matrix
from live.probe.objects import Owner
from live.probe.site import REMOVE, ProbeError, Site, clear, delete, make, wait_ready, wait_removed
from live.probe.uninterrupted import uninterrupted
from topology import Mesh

READY_SECONDS = 60
# How long a run may take at the most, by which others tell a left-over from one that is going on.
RUN_SECONDS = 900
REQUESTS = 100


class Probe:
    """A server and a client in every cluster; made on entering, removed on leaving, also after Ctrl-C.

    Entering returns at once: :attr:`sites` waits until the pods are ready. What cannot be made in one cluster is
    noted in :attr:`absent` and keeps nobody else.

    Args:
        mesh: the declared mesh.
        accesses: the clusters, by Istio's name.
        ready_seconds: how long its pods may take to become ready.
        run_seconds: how long all of it may take at the most; another run that finds it later removes it.
        progress: told what happens, one line each, from any thread.
    """

    def __init__(
        self,
        mesh: Mesh,
        accesses: Mapping[str, ClusterAccess],
        *,
        ready_seconds: float = READY_SECONDS,
        run_seconds: float = RUN_SECONDS,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.mesh, self.accesses = mesh, accesses
        self.absent: dict[str, str] = {}
        self._ready_seconds, self._owner = ready_seconds, Owner.this(run_seconds)
        self._progress = progress or (lambda line: None)
        self._over = threading.Event()
        self._begun: set[str] = set()
        self._made: dict[str, Future[Site]] = {}
        self._removal: list[Future[None]] = []
        self._sites: dict[str, Site] | None = None

    def __enter__(self) -> "Probe":
        # Two for each cluster: whoever is being made may still be at it while the removal waits for that.
        self._pool = ThreadPoolExecutor(max_workers=max(1, 2 * len(self.accesses)), thread_name_prefix="probe")
        self._addresses = self._pool.submit(gateway_addresses, self.accesses)
        self._made = {name: self._pool.submit(self._make, access) for name, access in self.accesses.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with uninterrupted(lambda: self._progress("removing the probe first: it takes seconds")):
            self.remove()
            left = [str(e) for future in self._removal if (e := future.exception()) is not None]
            self._pool.shutdown()
        if not left:
            return
        told = f"{'; '.join(left)}\nThe next run removes what is left, and so does `{REMOVE}`"
        if error is None:
            raise ProbeError(told)
        error.add_note(told)
        self._progress(told)

    @property
    def sites(self) -> Mapping[str, Site]:
        """The probe in every cluster where it runs, by Istio's name, once it is ready or is known not to start."""
        if self._sites is None:
            found = {}
            for name, future in self._made.items():
                try:
                    found[name] = future.result()
                except ProbeError as error:
                    self.absent[name] = str(error).removeprefix(f"cluster {name}: ")
            self._sites = found
        return self._sites

    def matrix(self, requests: int = REQUESTS) -> Matrix:
        """Send requests from the client of every cluster, all at once.

        Args:
            requests: how many from each; more where the number of clusters asks for more (see
                :func:`health.matrix.needed`).
        """
        return matrix(self.mesh, self.sites, self.absent, self._addresses.result(), requests)

    def handshakes(self) -> dict[str, tuple[GatewayHandshake, ...] | Unknown]:
        """Open TLS from every cluster to the east-west gateways of the others, from inside, around the mesh.

        Returns:
            By Istio's name of the client's cluster, what :class:`health.observed.ObservedCluster` has as
            ``handshakes``.
        """
        with ThreadPoolExecutor(max_workers=max(1, len(self.sites))) as pool:
            found = dict(zip(self.sites, pool.map(handshakes, self.sites.values()), strict=True))
        return {**{name: Unknown(reason) for name, reason in self.absent.items()}, **found}

    def seen(self, observed: Observed, requests: int = REQUESTS) -> Observed:
        """What was observed, with what the probe sees added: its handshakes and its traffic matrix.

        Args:
            observed: the facts so far.
            requests: how many requests from each client.
        """
        tried, found = self.handshakes(), self.matrix(requests)
        clusters = {
            name: replace(cluster, handshakes=tried.get(name, cluster.handshakes))
            for name, cluster in observed.clusters.items()
        }
        return replace(observed, clusters=clusters, matrix=found)

    @property
    def gateways(self) -> Mapping[str, Sequence[str]]:
        """By cluster, the addresses of its east-west gateway."""
        return self._addresses.result()

    def remove(self) -> None:
        """Begin to remove it, in the background; leaving the block waits until it is gone."""
        if self._removal:
            return
        self._over.set()
        self._removal = [self._pool.submit(self._remove, access) for access in self.accesses.values()]

    def _make(self, access: ClusterAccess) -> Site:
        others: Callable[[], Mapping[str, Sequence[str]]] = lambda: {  # noqa: E731
            name: found for name, found in self._addresses.result().items() if name != access.name
        }
        clear(access, self._over)
        self._begun.add(access.name)
        tunnels = make(self.mesh, access, self._owner, others, self._over)
        site = wait_ready(access, tunnels, self._ready_seconds, self._over)
        self._progress(f"{access.name}: the probe is ready")
        return site

    def _remove(self, access: ClusterAccess) -> None:
        # What is still being made would be made after the deletion.
        self._made[access.name].exception()
        if access.name not in self._begun:
            return
        delete(access, self._owner)
        wait_removed(access, self._owner)
