"""Which roots sign and which are trusted, by their fingerprints: what two declarations of trust are compared by."""

from collections.abc import Mapping
from dataclasses import dataclass

from topology.given_trust import GivenRoot, GivenTrust
from topology.model import Trust
from topology.root_rotation import USES, Root, new_generation, stage_of


@dataclass(frozen=True)
class TrustSet:
    """The roots of a mesh by fingerprint, SHA-256, lower-case hex; None stands for one that has not been made yet.

    Attributes:
        signs: those under which the clusters' intermediates stand: one, but for a provided text with several roots.
        trusted: those in ``root-cert.pem``.
    """

    signs: frozenset[str | None]
    trusted: frozenset[str | None]


def declared_set(trust: Trust, given: GivenTrust, made: Mapping[int, str]) -> TrustSet:
    """What the stack file asks for.

    Args:
        trust: the declared trust.
        given: the roots that are provided.
        made: fingerprints of the roots that Pulumi has made and would not make anew, by generation.
    """
    use = USES[stage_of(trust)]
    of = {
        Root.PRESENT: _of_root(given.present, made.get(trust.generation)),
        Root.NEW: _of_root(given.new, made.get(new_generation(trust))),
    }
    return TrustSet(of[use.signs].signs, frozenset().union(*(of[root].trusted for root in use.bundle)))


def _of_root(given: GivenRoot | None, made: str | None) -> TrustSet:
    if given is None:
        return TrustSet(frozenset({made}), frozenset({made}))
    return TrustSet(frozenset[str | None](given.signing), frozenset[str | None](given.trusted))
