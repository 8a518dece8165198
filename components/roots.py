"""The root CA of the mesh, and while it is being replaced the one that is to follow it."""

from dataclasses import dataclass

import pulumi

from components.root_ca import ProvidedRootCA, ProvidedRootCAArgs, RootCA, RootCAArgs
from topology import model
from topology.given_trust import GivenRoot, GivenTrust
from topology.root_rotation import (
    USES,
    Root,
    Stage,
    bundle_text,
    new_generation,
    root_common_name,
    root_name,
    stage_of,
)

RootOfMesh = RootCA | ProvidedRootCA


@dataclass(frozen=True)
class Roots:
    """The roots of a stage.

    Attributes:
        stage: how far the replacement is.
        present: the root that is being replaced, or the only one.
        new: its successor; None: no rotation is under way.
        signing: the one of the two under which every intermediate stands.
        present_trusted: fingerprints of the present one: several of a provided text that holds so many.
        bundle: ``root-cert.pem``: the roots that are trusted, PEM.
        signs: fingerprints of the roots that the intermediates lead to: one, or several of one provided text.
        trusted: fingerprints of the roots in ``bundle``.
    """

    stage: Stage
    present: RootOfMesh
    new: RootOfMesh | None
    signing: RootOfMesh
    present_trusted: pulumi.Output[list[str]]
    bundle: pulumi.Output[str]
    signs: pulumi.Output[list[str]]
    trusted: pulumi.Output[list[str]]


def make_roots(name: str, trust: model.Trust, given: GivenTrust, parent: pulumi.Resource) -> Roots:
    """Declare the roots of the stage that is declared.

    Args:
        name: what the names of the resources start from.
        trust: what the user declared.
        given: the roots that are provided.
        parent: whose children they are.
    """
    stage = stage_of(trust)
    made: dict[Root, RootOfMesh] = {Root.PRESENT: _present(name, trust, given, parent)}
    if trust.rotation:
        made[Root.NEW] = _new(name, trust, given, parent)
    use, texts = USES[stage], {Root.PRESENT: given.present, Root.NEW: given.new}
    return Roots(
        stage=stage,
        present=made[Root.PRESENT],
        new=made.get(Root.NEW),
        signing=made[use.signs],
        present_trusted=_trusted(made[Root.PRESENT], given.present),
        bundle=pulumi.Output.all(*(made[each].cert_pem for each in use.bundle)).apply(bundle_text),
        signs=_signing(made[use.signs], texts[use.signs]),
        trusted=pulumi.Output.all(*(_trusted(made[each], texts[each]) for each in use.bundle)).apply(_united),
    )


def _present(name: str, trust: model.Trust, given: GivenTrust, parent: pulumi.Resource) -> RootOfMesh:
    if given.present is None:
        # Nobody trusts it any more in the last stage: what finishes the rotation deletes it.
        protect = trust.protect and stage_of(trust) is not Stage.NEW_ONLY
        return _generated(name, trust, trust.generation, parent, protect=protect, as_made=trust.rotation is not None)
    opts = pulumi.ResourceOptions(parent=parent)
    return ProvidedRootCA(f"{name}-root", ProvidedRootCAArgs(given.present.certificate), opts)


def _new(name: str, trust: model.Trust, given: GivenTrust, parent: pulumi.Resource) -> RootOfMesh:
    if given.new is None:
        # While nothing stands under it, giving the rotation up deletes it.
        protect = trust.protect and stage_of(trust) is not Stage.BOTH_TRUSTED
        return _generated(name, trust, new_generation(trust), parent, protect=protect, as_made=False)
    opts = pulumi.ResourceOptions(parent=parent)
    return ProvidedRootCA(f"{name}-root-new", ProvidedRootCAArgs(given.new.certificate), opts)


def _generated(
    name: str, trust: model.Trust, generation: int, parent: pulumi.Resource, *, protect: bool, as_made: bool
) -> RootCA:
    args = RootCAArgs(
        algorithm=trust.algorithm,
        rsa_bits=trust.rsa_bits,
        validity_days=trust.root_validity_days,
        protect=protect,
        common_name=root_common_name(generation),
        as_made=as_made,
    )
    return RootCA(root_name(name, generation), args, pulumi.ResourceOptions(parent=parent))


def _signing(root: RootOfMesh, given: GivenRoot | None) -> pulumi.Output[list[str]]:
    return pulumi.Output.from_input(sorted(given.signing)) if given else root.fingerprint.apply(lambda one: [one])


def _trusted(root: RootOfMesh, given: GivenRoot | None) -> pulumi.Output[list[str]]:
    return pulumi.Output.from_input(sorted(given.trusted)) if given else root.fingerprint.apply(lambda one: [one])


def _united(fingerprints: list[list[str]]) -> list[str]:
    return sorted({one for of_one_root in fingerprints for one in of_one_root})
