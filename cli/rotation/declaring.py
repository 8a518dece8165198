"""What a stage of a rotation is in the file that declares the mesh."""

from enum import StrEnum
from typing import Literal

from cli.stack_edit import StackEdit
from topology import Mesh, MeshConfigError, Problem
from topology.root_rotation import Stage, new_generation, stage_of

RotatesTo = Literal["generated", "provided"]


class Step(StrEnum):
    """One change of the stack file: to a stage, or from the last one to the end."""

    OLD = Stage.OLD.value
    BOTH_TRUSTED = Stage.BOTH_TRUSTED.value
    NEW_SIGNS = Stage.NEW_SIGNS.value
    NEW_ONLY = Stage.NEW_ONLY.value
    FINISHED = "finished"


MEANING = {
    Step.OLD: "the new root is given up: the present one signs, and is trusted alone",
    Step.BOTH_TRUSTED: "the present root signs, both are trusted",
    Step.NEW_SIGNS: "the new root signs, both are trusted",
    Step.NEW_ONLY: "the new root signs, and is trusted alone",
    Step.FINISHED: "the new root becomes the present one; the former one is deleted from the state",
}
ORDER = list(Step)


def steps_after(stage: Stage) -> list[Step]:
    """What is still to come after a stage, in order."""
    return ORDER[ORDER.index(Step(stage)) + 1 :]


def preceding(stage: Stage) -> Step | None:
    """What a stage is rolled back to; None: nothing is under way."""
    return None if stage is Stage.OLD else ORDER[ORDER.index(Step(stage)) - 1]


def declare(edit: StackEdit, mesh: Mesh, step: Step, to: RotatesTo, root_certificate: str | None = None) -> None:
    """Write a step into an open file; it is not saved.

    Args:
        edit: the file that declares the mesh.
        mesh: the same, as it is now.
        step: the next one after the stage that is declared, or the one before it.
        to: where the new root comes from; counts where the rotation begins.
        root_certificate: likewise: file of the new root's certificate, as the stack file names it; with ``provided``.

    Raises:
        MeshConfigError: what is to be provided is not.
    """
    match step:
        case Step.FINISHED:
            _finish(edit, mesh)
        case Step.OLD:
            edit.remove("trust.rotation")
            for path in _clusters(mesh):
                edit.remove(f"{path}.trust.next")
        case Step.BOTH_TRUSTED if stage_of(mesh.trust) is Stage.OLD:
            _begin(edit, mesh, to, root_certificate)
        case _:
            if step is Step.NEW_SIGNS and stage_of(mesh.trust) is Stage.BOTH_TRUSTED:
                _prepare_new_signs(edit, mesh)
            edit.set("trust.rotation.stage", step.value)


def _clusters(mesh: Mesh) -> list[str]:
    return [f"clusters[{place}]" for place in range(len(mesh.clusters))]


def _begin(edit: StackEdit, mesh: Mesh, to: RotatesTo, root_certificate: str | None) -> None:
    if to == "generated":
        edit.set("trust.rotation.stage", Stage.BOTH_TRUSTED.value)
        return
    if root_certificate is None:
        cause = "a rotation to a provided root needs the new root's certificate"
        raise MeshConfigError(
            [Problem("--root-certificate", cause, "Name its file, PEM, from the folder of Pulumi.yaml")]
        )
    edit.set(
        "trust.rotation",
        {"stage": Stage.BOTH_TRUSTED.value, "to": to, "rootCertificate": {"path": root_certificate}},
    )


def _prepare_new_signs(edit: StackEdit, mesh: Mesh) -> None:
    """Take out what makes new keys where Pulumi makes none any more."""
    if mesh.trust.rotation is None or mesh.trust.rotation.to == "generated":
        return
    for path, cluster in zip(_clusters(mesh), mesh.clusters, strict=True):
        if not cluster.trust.request:
            edit.remove(f"{path}.trust.rotate")


def _finish(edit: StackEdit, mesh: Mesh) -> None:
    trust = mesh.trust
    assert trust.rotation is not None  # noqa: S101 - nothing else is finished
    if trust.rotation.to == "generated":
        if trust.root == "provided":
            edit.remove("trust.root")
            edit.remove("trust.rootCertificate")
        if trust.generation != new_generation(trust):
            edit.set("trust.generation", new_generation(trust))
        for path in _clusters(mesh):
            edit.remove(f"{path}.trust.certificate")
            edit.remove(f"{path}.trust.key")
    else:
        edit.set("trust.root", "provided")
        edit.set("trust.rootCertificate", edit.get("trust.rotation.rootCertificate"))
        for path in _clusters(mesh):
            for name in ("certificate", "key"):
                if given := edit.get(f"{path}.trust.next.{name}"):
                    edit.set(f"{path}.trust.{name}", given)
                else:
                    edit.remove(f"{path}.trust.{name}")
            edit.remove(f"{path}.trust.next")
    edit.remove("trust.rotation")
