"""What each stage of a rotation is in the stack file."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.rotation.declaring import Step, declare, preceding, steps_after
from cli.stack_edit import StackEdit
from cli.stack_files import undecrypted
from topology import MeshConfigError
from topology.root_rotation import Stage

CIPHER = {"secret": {"secure": "v1:abc"}}
GENERATED: dict[str, Any] = {}
PROVIDED: dict[str, Any] = {"root": "provided", "rootCertificate": {"path": "root.pem"}}
OWN = {"certificate": {"path": "own.pem"}, "key": CIPHER}
NEXT = {"certificate": {"path": "next.pem"}, "key": {"env": "NEXT_KEY"}}


def edit(folder: Path, trust: dict[str, Any], of_cluster: dict[str, Any] | None = None) -> StackEdit:
    """The open file of a mesh with two clusters; the first has a request of its own."""
    clusters = [
        {
            "name": name,
            "network": name,
            "apiServer": f"https://{name}.example.com:6443",
            **({"trust": of_cluster} if of_cluster else {}),
        }
        for name in ("cluster1", "cluster2")
    ]
    mesh = {"istio": {"version": "1.30.5"}, **({"trust": trust} if trust else {}), "clusters": clusters}
    (folder / "stacks").mkdir(exist_ok=True)
    # As JSON, which is YAML too, what two clusters have alike is written twice.
    (folder / "stacks/Pulumi.test.yaml").write_text(json.dumps({"config": {"spanmesh:mesh": mesh}}))
    return StackEdit.open(folder, "test")


def declared(open_file: StackEdit, step: Step, *given: Any) -> tuple[Any, Any]:
    """Trust of the mesh and of its second cluster after a step, which has to be sound."""
    declare(open_file, undecrypted(open_file.get("")), step, *(given or ("generated",)))
    undecrypted(open_file.get(""))
    return open_file.get("trust"), open_file.get("clusters[1].trust")


def test_a_rotation_to_a_root_of_pulumis_names_only_the_stage_and_leaves_the_next_generation(tmp_path: Path) -> None:
    file = edit(tmp_path, GENERATED)
    for stage in ("both-trusted", "new-signs", "new-only"):
        assert declared(file, Step(stage)) == ({"rotation": {"stage": stage}}, None)
    assert declared(file, Step.FINISHED) == ({"generation": 2}, None)
    declared(file, Step.BOTH_TRUSTED)
    declared(file, Step.NEW_SIGNS)
    assert declared(file, Step.BOTH_TRUSTED)[0] == {"generation": 2, "rotation": {"stage": "both-trusted"}}
    assert declared(file, Step.OLD) == ({"generation": 2}, None)


def test_a_rotation_to_a_provided_root_moves_what_was_next_to_where_the_present_one_stands(tmp_path: Path) -> None:
    file = edit(tmp_path, GENERATED, {"rotate": "2025"})
    begun = {"stage": "both-trusted", "to": "provided", "rootCertificate": {"path": "new.pem"}}
    assert declared(file, Step.BOTH_TRUSTED, "provided", "new.pem") == ({"rotation": begun}, {"rotate": "2025"})
    for place in range(2):
        file.set(f"clusters[{place}].trust.next", NEXT)
    assert declared(file, Step.NEW_SIGNS) == ({"rotation": {**begun, "stage": "new-signs"}}, {"next": NEXT})
    assert declared(file, Step.NEW_ONLY)[1] == {"next": NEXT}
    assert declared(file, Step.FINISHED) == ({"root": "provided", "rootCertificate": {"path": "new.pem"}}, NEXT)


def test_a_provided_root_gives_way_to_another_one_with_its_intermediates(tmp_path: Path) -> None:
    rotation = {"stage": "new-only", "to": "provided", "rootCertificate": {"path": "new.pem"}}
    file = edit(tmp_path, {**PROVIDED, "rotation": rotation}, {**OWN, "next": NEXT})
    assert declared(file, Step.FINISHED) == ({**PROVIDED, "rootCertificate": {"path": "new.pem"}}, NEXT)


def test_a_provided_root_gives_way_to_one_of_pulumis(tmp_path: Path) -> None:
    file = edit(tmp_path, {**PROVIDED, "rotation": {"stage": "new-only"}}, OWN)
    assert declared(file, Step.FINISHED) == (None, None)


def test_of_a_key_that_pulumi_made_only_the_certificate_moves(tmp_path: Path) -> None:
    rotation = {"stage": "new-only", "to": "provided", "rootCertificate": {"path": "new.pem"}}
    following = {"certificate": {"path": "next.pem"}}
    file = edit(tmp_path, {**PROVIDED, "rotation": rotation}, {"request": True, "next": following})
    assert declared(file, Step.FINISHED)[1] == {"request": True, **following}


def test_given_up_it_leaves_nothing_of_the_new_root(tmp_path: Path) -> None:
    rotation = {"stage": "both-trusted", "to": "provided", "rootCertificate": {"path": "new.pem"}}
    file = edit(tmp_path, {"rotation": rotation}, {"next": NEXT})
    assert declared(file, Step.OLD) == (None, None)


def test_a_provided_root_without_its_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeshConfigError, match="--root-certificate"):
        declared(edit(tmp_path, GENERATED), Step.BOTH_TRUSTED, "provided", None)


def test_a_provided_root_does_not_sign_before_every_cluster_has_its_intermediate(tmp_path: Path) -> None:
    file = edit(tmp_path, GENERATED)
    declared(file, Step.BOTH_TRUSTED, "provided", "new.pem")
    with pytest.raises(MeshConfigError, match=r"clusters\[0\]\.trust\.next\.certificate"):
        declared(file, Step.NEW_SIGNS)


def test_every_stage_leads_to_the_end_and_back_to_the_one_before() -> None:
    assert steps_after(Stage.OLD) == [Step.BOTH_TRUSTED, Step.NEW_SIGNS, Step.NEW_ONLY, Step.FINISHED]
    assert steps_after(Stage.NEW_ONLY) == [Step.FINISHED]
    assert [preceding(stage) for stage in Stage] == [None, Step.OLD, Step.BOTH_TRUSTED, Step.NEW_SIGNS]
