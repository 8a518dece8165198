"""The trust that the stack's own state records: what the last update declared, and the roots that Pulumi has made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from live.own_state import UnreadableStateError, own_resources
from topology.certificates import describe
from topology.model import Trust
from topology.root_rotation import new_generation, root_name
from topology.trust_set import TrustSet

# What __main__.py makes: the component Trust of the component called `mesh`.
COMPONENT = "mesh-trust"
TRUST = "spanmesh:index:Trust"
KEY = "tls:index/privateKey:PrivateKey"
CERTIFICATE = "tls:index/selfSignedCert:SelfSignedCert"
HOURS_A_DAY = 24


@dataclass(frozen=True)
class Recorded:
    """What the state says of trust.

    Attributes:
        last: what the last update declared; None: no update has brought trust up, or the record of it was lost.
        made: fingerprints of the roots that Pulumi has made and would not make anew, by generation.
        clusters: those that had their trust from the last update; None: it does not say.
    """

    last: TrustSet | None
    made: Mapping[int, str]
    clusters: frozenset[str] | None = None


def recorded_trust(trust: Trust, stack: str) -> Recorded:
    """What the state of the stack that runs says.

    Args:
        trust: what is declared now.
        stack: the stack's name.

    Raises:
        UnreadableStateError: the engine does not say.
    """
    try:
        resources = own_resources(stack)
    except UnreadableStateError as error:
        raise UnreadableStateError(str(error).rsplit("returned an error: ", 1)[-1]) from error
    of = {(each["type"], urn.rpartition("::")[2]): each.get("outputs") or {} for urn, each in resources.items()}
    generations = {trust.generation, new_generation(trust)}
    made = {each: _made(of, each, trust) for each in generations}
    component = of.get((TRUST, COMPONENT), {})
    return Recorded(
        _last(component),
        {each: fingerprint for each, fingerprint in made.items() if fingerprint},
        frozenset(component["clusters"]) if "clusters" in component else None,
    )


def _last(outputs: Mapping[str, Any]) -> TrustSet | None:
    if "trusted" in outputs and "signs" in outputs:
        return TrustSet(frozenset(outputs["signs"]), frozenset(outputs["trusted"]))
    # Before rotations could be declared, there was one root.
    one = (outputs.get("root") or {}).get("sha256")
    return TrustSet(frozenset({one}), frozenset({one})) if one else None


def _made(of: Mapping[tuple[str, str], Mapping[str, Any]], generation: int, trust: Trust) -> str | None:
    name = root_name(COMPONENT, generation)
    key, certificate = of.get((KEY, f"{name}-key"), {}), of.get((CERTIFICATE, f"{name}-cert"), {})
    # During a rotation the present root stays as it was made: the other values are its successor's.
    stays = trust.rotation is not None and trust.root == "generated" and generation == trust.generation
    wanted = (trust.algorithm, trust.root_validity_days * HOURS_A_DAY)
    stands = (key.get("algorithm"), certificate.get("validityPeriodHours"))
    of_length = trust.algorithm != "RSA" or key.get("rsaBits") == trust.rsa_bits
    if not certificate or not (stays or (stands == wanted and of_length)):
        return None
    return describe(certificate["certPem"]).sha256
