"""The replacement of the root CA, stage by stage: which root signs, and which are trusted.

The order is the one of https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert and of Istio's own
test of ISTIO_MULTIROOT_MESH: nobody signs under a root that somebody does not trust yet, and nobody stops trusting a
root under which somebody still signs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from topology.model import Trust


class Stage(StrEnum):
    """How far a rotation is; each is one `pulumi up` from its neighbours, in both directions."""

    OLD = "old"
    BOTH_TRUSTED = "both-trusted"
    NEW_SIGNS = "new-signs"
    NEW_ONLY = "new-only"


class Root(StrEnum):
    """One of the two roots of a rotation."""

    PRESENT = "present"
    NEW = "new"


@dataclass(frozen=True)
class RootUse:
    """What a stage asks for.

    Attributes:
        signs: the root under which every cluster's intermediate stands.
        bundle: the roots that stand in ``root-cert.pem``, in order. istiod takes another bundle while it runs only if
            one text contains the other as it stands, and has workloads renew their certificates only if the text
            changed: so the new root stands there twice once it signs.
    """

    signs: Root
    bundle: tuple[Root, ...]


USES = {
    Stage.OLD: RootUse(Root.PRESENT, (Root.PRESENT,)),
    Stage.BOTH_TRUSTED: RootUse(Root.PRESENT, (Root.PRESENT, Root.NEW)),
    Stage.NEW_SIGNS: RootUse(Root.NEW, (Root.PRESENT, Root.NEW, Root.NEW)),
    Stage.NEW_ONLY: RootUse(Root.NEW, (Root.NEW,)),
}


def stage_of(trust: Trust) -> Stage:
    """The stage that is declared."""
    return Stage(trust.rotation.stage) if trust.rotation else Stage.OLD


def new_generation(trust: Trust) -> int:
    """The generation of a root that Pulumi makes as successor of the present one."""
    return trust.generation + 1 if trust.root == "generated" else trust.generation


def signs_under_new(trust: Trust) -> bool:
    """Whether every cluster's intermediate stands under the new root of a rotation."""
    return USES[stage_of(trust)].signs is Root.NEW


def signing_source(trust: Trust) -> Literal["generated", "provided"]:
    """Where the root comes from under which every cluster's intermediate stands."""
    return trust.rotation.to if trust.rotation and signs_under_new(trust) else trust.root


def bundle_text(texts: Sequence[str]) -> str:
    """``root-cert.pem`` of several roots: each text stands in it byte for byte, as istiod compares them.

    Args:
        texts: PEM of each root that is trusted, in the order of :class:`RootUse`.
    """
    *before, last = texts
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in before) + last


def root_name(trust: str, generation: int) -> str:
    """Pulumi's name of a root that it makes; that of the first one never changes.

    Args:
        trust: name of the component that holds it.
        generation: which one it is.
    """
    return f"{trust}-root" if generation == 1 else f"{trust}-root-{generation}"


def root_common_name(generation: int) -> str:
    """The name in the subject of a root that Pulumi makes."""
    return "Root CA" if generation == 1 else f"Root CA {generation}"
