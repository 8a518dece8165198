"""Istio versions that break a mesh of several clusters."""

from dataclasses import dataclass

from packaging.version import Version


@dataclass(frozen=True)
class Fault:
    """A fault of Istio.

    Attributes:
        first: the first version that has it.
        fixed: the first one after it that has not.
        issues: where it is told.
        what: what happens.
    """

    first: Version
    fixed: Version
    issues: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} ({self.issues}; fixed in {self.fixed})"


FAULTS = (
    Fault(
        Version("1.30.0"),
        Version("1.30.4"),
        "istio#61043, istio#60920",
        "a cluster whose kubeconfig in the remote Secret changes loses its endpoints, or its gateway, until istiod is "
        "restarted",
    ),
    Fault(
        Version("1.30.0"),
        Version("1.30.3"),
        "istio#60612",
        "a changed remote Secret is not read until istiod is restarted",
    ),
)


def faults(version: Version | None) -> list[Fault]:
    """The known faults of a version."""
    return [] if version is None else [each for each in FAULTS if each.first <= version < each.fixed]
