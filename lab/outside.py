"""A place on a lab's WAN that is in no region, to see what strangers can reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from lab.commands import environment, run
from lab.network import NAMESPACES
from lab.plan import OUTSIDE_ADDRESS


@dataclass(frozen=True)
class Outside:
    """The network of somebody outside all regions.

    Attributes:
        lab: name of the lab.
        namespace: the network namespace.
        address: the address under which load balancers see it.
    """

    lab: str
    namespace: str
    address: IPv4Address = OUTSIDE_ADDRESS

    def run(self, command: Sequence[str | Path], *, stdin: str | None = None, timeout: float = 60) -> str:
        """Run a command in that network, with the host's files, and return what it printed.

        Raises:
            LabError: it cannot be started, fails, or takes too long.
        """
        enter = ["nsenter", f"--net={NAMESPACES / self.namespace}"]
        return run([*enter, *command], stdin=stdin, env=environment(self.lab), timeout=timeout)
