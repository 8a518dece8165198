"""What clients of both clusters get while something breaks: counted, and when it was normal again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import time

from live.load.constant import Answer, LoadResult, constant_requests
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored

PAUSE = 0.03
LONGEST = 400


@dataclass
class UnderLoad:
    """Requests of some clusters' clients, one after the other in each, and moments that were noted meanwhile.

    Attributes:
        results: by client cluster, what the requests got; there once the block is left.
        moments: seconds since 1970 by name.
    """

    results: dict[str, LoadResult] = field(default_factory=dict)
    moments: dict[str, float] = field(default_factory=dict)

    def note(self, moment: str) -> None:
        """Note this moment."""
        self.moments[moment] = time()

    def failures(self, client: str) -> list[str]:
        """What failed for a cluster's client."""
        return self.results[client].failures

    def after(self, client: str, moment: str) -> list[Answer]:
        """What was sent after a moment."""
        return [each for each in self.results[client].each if each.asked > self.moments[moment]]

    def between(self, client: str, first: str, last: str) -> list[Answer]:
        """What was sent after one moment and before another."""
        return [each for each in self.after(client, first) if each.asked < self.moments[last]]

    def remote(self, client: str) -> list[Answer]:
        """What other clusters answered."""
        return [each for each in self.results[client].each if each.cluster not in ("", client)]

    def again(self, client: str, server: str, moment: str) -> float:
        """Seconds from a moment until the first answer of a cluster to another one's client."""
        came = [each.came for each in self.after(client, moment) if each.cluster == server]
        assert came, f"no answer of {server} to {client} after {moment}: {shown(self.after(client, moment))}"
        return came[0] - self.moments[moment]

    def show(self, what: str) -> None:
        """Print the figures, which -rP shows and which fail no test."""
        for client, result in self.results.items():
            slow = max((each.came - each.asked for each in result.each), default=0)
            print(  # noqa: T201
                f"{what}: {client} sent {result.sent}, answers {dict(result.answers)}, {len(result.failures)} failed, "
                f"slowest {slow:.1f} s"
            )


def shown(answers: Sequence[Answer]) -> Counter[str]:
    """Answers by cluster, failures by text."""
    return Counter(each.cluster or f"{each.status} {each.text}" for each in answers)


@contextmanager
def under_load(mirrored: Mirrored, *clients: str) -> Iterator[UnderLoad]:
    """Send requests from these clusters' clients (none: from all) while the block runs."""
    found = UnderLoad()
    with ExitStack() as running:
        loads = {
            name: running.enter_context(constant_requests(access, NAMESPACE, LONGEST, pause=PAUSE))
            for name, access in mirrored.accesses.items()
            if not clients or name in clients
        }
        found.note("began")
        yield found
        found.results = {name: load.result() for name, load in loads.items()}
