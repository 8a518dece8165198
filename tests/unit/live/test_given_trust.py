"""The certificates of a mesh whose root is provided, from where the stack file says."""

from pathlib import Path
from typing import Any

import pytest

from live.given_trust import read_given_trust
from live.sources import Sources
from tests.authority import Authority, root
from topology import Mesh, MeshConfigError, load_mesh
from topology.certificates import describe
from topology.given_trust import GivenTrust

ACME, ROOT_2 = root(), root("Acme Root 2")


def mesh(trust: dict[str, Any], *clusters: dict[str, Any]) -> Mesh:
    return load_mesh(
        {
            "trust": trust,
            "clusters": [
                {
                    "name": f"cluster{n}",
                    "network": f"network{n}",
                    "apiServer": f"https://203.0.113.1{n}:6443",
                    "trust": own,
                }
                for n, own in enumerate(clusters, start=1)
            ],
        }
    )


def sources(project: Path) -> Sources:
    return Sources(project, lambda stack: {"pki": {"root": ACME.pem}} if stack == "acme/pki/prod" else {})


def test_a_generated_root_needs_nothing_given(tmp_path: Path) -> None:
    assert read_given_trust(mesh({}, {}), sources(tmp_path)) == GivenTrust()


def test_certificates_and_keys_are_read_from_file_environment_secret_and_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (ACME.issue(f"Intermediate CA cluster{n}") for n in (1, 2, 3))
    (tmp_path / "one.pem").write_text(one.pem)
    monkeypatch.setenv("TWO_KEY", two.key_pem)
    declared = mesh(
        {"root": "provided", "rootCertificate": {"stack": "acme/pki/prod", "output": "pki.root"}},
        {"certificate": {"path": "one.pem"}, "key": {"secret": one.key_pem}},
        {"certificate": {"secret": two.pem}, "key": {"env": "TWO_KEY"}},
        {"request": True, "certificate": {"secret": three.pem}},
        {"request": True},
    )
    given = read_given_trust(declared, sources(tmp_path))
    assert given.present is not None
    assert given.present.certificate == ACME.pem
    assert {name: (each.certificate, each.private_key) for name, each in given.present.intermediates.items()} == {
        "cluster1": (one.pem, one.key_pem),
        "cluster2": (two.pem, two.key_pem),
        "cluster3": (three.pem, None),
    }


def test_every_text_that_is_missing_is_named_before_any_is_judged(tmp_path: Path) -> None:
    declared = mesh(
        {"root": "provided", "rootCertificate": {"path": "root.pem"}},
        {"certificate": {"env": "NOT_SET"}, "key": {"path": "one.key"}},
    )
    with pytest.raises(MeshConfigError) as refused:
        read_given_trust(declared, sources(tmp_path))
    assert [problem.key for problem in refused.value.problems] == [
        "spanmesh:mesh.trust.rootCertificate.path",
        "spanmesh:mesh.clusters[0].trust.certificate.env",
        "spanmesh:mesh.clusters[0].trust.key.path",
    ]


def test_a_slip_is_refused_by_the_key_of_its_cluster(tmp_path: Path) -> None:
    one = ACME.issue("Intermediate CA cluster1")
    own = {"certificate": {"secret": one.pem}, "key": {"secret": one.key_pem}}
    declared = mesh({"root": "provided", "rootCertificate": {"secret": ACME.pem}}, own, own)
    with pytest.raises(MeshConfigError) as refused:
        read_given_trust(declared, sources(tmp_path))
    (problem,) = refused.value.problems
    assert problem.key == "spanmesh:mesh.clusters[1].trust.certificate"
    assert "the files of cluster1" in problem.cause
    assert "PRIVATE KEY" not in str(refused.value)


TO_ROOT_2 = {"to": "provided", "rootCertificate": {"secret": ROOT_2.pem}}


def own(name: str, of: Authority) -> dict[str, Any]:
    made = of.issue(name)
    return {"certificate": {"secret": made.pem}, "key": {"secret": made.key_pem}}


def test_the_new_root_and_what_stands_under_it_are_read_and_judged_beside_the_present(tmp_path: Path) -> None:
    one = {**own("Intermediate CA cluster1", ACME), "next": own("Intermediate CA cluster1", ROOT_2)}
    declared = mesh(
        {
            "root": "provided",
            "rootCertificate": {"secret": ACME.pem},
            "rotation": {"stage": "both-trusted", **TO_ROOT_2},
        },
        one,
    )
    given = read_given_trust(declared, sources(tmp_path))
    assert given.present is not None
    assert given.new is not None
    assert given.present.signing == {describe(ACME.pem).sha256}
    assert given.new.signing == {describe(ROOT_2.pem).sha256}
    assert given.new.intermediates["cluster1"].certificate == one["next"]["certificate"]["secret"]


def test_a_next_intermediate_of_the_present_root_is_refused_by_its_key(tmp_path: Path) -> None:
    declared = mesh({"rotation": {"stage": "new-signs", **TO_ROOT_2}}, {"next": own("Intermediate CA cluster1", ACME)})
    with pytest.raises(MeshConfigError) as refused:
        read_given_trust(declared, sources(tmp_path))
    (problem,) = refused.value.problems
    assert problem.key == "spanmesh:mesh.clusters[0].trust.next.certificate"
    assert "does not lead to the root" in problem.cause


def test_once_the_new_root_signs_what_stood_under_the_present_one_is_not_read(tmp_path: Path) -> None:
    declared = mesh(
        {
            "root": "provided",
            "rootCertificate": {"secret": ACME.pem},
            "rotation": {"stage": "new-signs", **TO_ROOT_2},
        },
        {
            "certificate": {"path": "gone.pem"},
            "key": {"path": "gone.key"},
            "next": own("Intermediate CA cluster1", ROOT_2),
        },
    )
    given = read_given_trust(declared, sources(tmp_path))
    assert given.present is not None
    assert given.present.intermediates == {}


@pytest.mark.parametrize(
    ("new", "cause"),
    [(ACME.pem, "it is the present root"), (ROOT_2.pem + ACME.pem, "several certificates")],
    ids=["the present root", "both in one text"],
)
def test_a_new_root_that_is_not_one_other_root_is_refused(tmp_path: Path, new: str, cause: str) -> None:
    declared = mesh(
        {
            "root": "provided",
            "rootCertificate": {"secret": ACME.pem},
            "rotation": {"stage": "both-trusted", "to": "provided", "rootCertificate": {"secret": new}},
        },
        own("Intermediate CA cluster1", ACME),
    )
    with pytest.raises(MeshConfigError) as refused:
        read_given_trust(declared, sources(tmp_path))
    (problem,) = refused.value.problems
    assert problem.key == "spanmesh:mesh.trust.rotation.rootCertificate"
    assert cause in problem.cause
