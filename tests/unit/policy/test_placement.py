"""Which clusters a document goes to, and what every applied object says of where it came from."""

from pathlib import Path

import pytest

from policy.document import Document, parse
from policy.files import read_items, read_paths
from policy.placement import place
from policy.provenance import applied, label_value, spec_hash
from topology import Mesh, MeshConfigError, load_mesh
from topology.policy import Narrowed

POLICY = "kind: Telemetry\nmetadata: {{name: {name}, namespace: sample{annotations}}}\nspec: {{}}\n"


@pytest.fixture
def mesh() -> Mesh:
    return load_mesh(
        {
            "clusters": [
                {"name": name, "network": network, "region": region, "apiServer": f"https://203.0.113.{n}:6443"}
                for n, (name, network, region) in enumerate(
                    [
                        ("cluster1", "network1", "cn-north-4"),
                        ("cluster2", "network2", "cn-east-3"),
                        ("cluster3", "network2", "cn-south-1"),
                    ]
                )
            ]
        }
    )


def document(name: str = "a", annotations: str = "", file: str = "a.yaml") -> Document:
    text = f", annotations: {{{annotations}}}" if annotations else ""
    (parsed,) = parse(POLICY.format(name=name, annotations=text), file)
    return parsed


@pytest.mark.parametrize(
    ("keys", "annotations", "clusters"),
    [
        ({}, "", ("cluster1", "cluster2", "cluster3")),
        ({"clusters": ["cluster3", "cluster1"]}, "", ("cluster1", "cluster3")),
        ({"networks": ["network2"]}, "", ("cluster2", "cluster3")),
        ({"regions": ["cn-south-1"], "clusters": ["cluster1"]}, "", ("cluster1", "cluster3")),
        ({}, "spanmesh.io/networks: network2", ("cluster2", "cluster3")),
        ({}, "spanmesh.io/clusters: 'cluster1, cluster2'", ("cluster1", "cluster2")),
        ({"networks": ["network2"]}, "spanmesh.io/regions: cn-south-1", ("cluster3",)),
    ],
)
def test_item_and_annotations_narrow(
    mesh: Mesh, keys: dict[str, list[str]], annotations: str, clusters: tuple[str, ...]
) -> None:
    placed, findings = place(mesh, [(document(annotations=annotations), Narrowed(**keys))])
    assert not findings
    assert placed[0].clusters == clusters


def test_narrowing_to_what_no_cluster_is(mesh: Mesh) -> None:
    _, (finding,) = place(mesh, [(document(annotations="spanmesh.io/clusters: clutser2"), Narrowed())])
    assert finding.stops
    assert "clutser2" in str(finding)
    assert "Did you mean cluster2?" in str(finding)


def test_one_name_twice_in_a_cluster(mesh: Mesh) -> None:
    second = document(file="b.yaml")
    _, findings = place(
        mesh, [(document(), Narrowed(clusters=["cluster1", "cluster2"])), (second, Narrowed(networks=["network2"]))]
    )
    assert [(f.rule.code, f.file, f.clusters) for f in findings] == [("SM102", "b.yaml", ("cluster2",))]
    assert "a.yaml:1" in findings[0].message


def test_one_name_in_two_clusters_is_two_objects(mesh: Mesh) -> None:
    apart = [(document(), Narrowed(clusters=["cluster1"])), (document(file="b.yaml"), Narrowed(clusters=["cluster2"]))]
    assert not place(mesh, apart)[1]


def test_without_a_namespace(mesh: Mesh) -> None:
    (nameless,) = parse("kind: Telemetry\nmetadata: {name: a}\n", "a.yaml")
    placed, (finding,) = place(mesh, [(nameless, Narrowed())])
    assert not placed
    assert (finding.rule.code, finding.line, finding.message) == ("SM103", 2, "metadata.namespace missing")


def test_without_a_mesh_everything_is_placed_nowhere_by_name() -> None:
    placed, findings = place(None, [(document(), Narrowed()), (document(file="b.yaml"), Narrowed())])
    assert [p.clusters for p in placed] == [(), ()]
    assert [f.rule.code for f in findings] == ["SM102"]


def test_files_and_folders_are_read_in_order(mesh: Mesh, tmp_path: Path) -> None:
    (tmp_path / "policies/deep").mkdir(parents=True)
    for name in ("b.yaml", "a.yml", "deep/c.yaml"):
        (tmp_path / "policies" / name).write_text(POLICY.format(name=Path(name).stem, annotations=""))
    (tmp_path / "policies/readme.txt").write_text("not: {policy")
    found = read_items(
        load_mesh({**mesh.model_dump(by_alias=True, include={"clusters"}), "policies": ["policies"]}).policies, tmp_path
    )
    assert [d.file for d, _ in found.documents] == ["policies/a.yml", "policies/b.yaml", "policies/deep/c.yaml"]
    assert [d.name for d, _ in read_paths([tmp_path / "policies"]).documents] == [d.name for d, _ in found.documents]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["a.yaml", "missing.yaml"], r"policies\[1\]: missing.yaml: No such file"),
        (["a.yaml", "./a.yaml"], r"policies\[1\]: .*a.yaml is named by spanmesh:mesh.policies\[0\] too"),
        (["empty"], r"policies\[0\]: empty: the folder holds no \*.yaml"),
        (["bytes.yaml"], r"policies\[0\]: bytes.yaml: .*utf-8"),
    ],
)
def test_files_that_cannot_be_read(items: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MeshConfigError, match=words):
        read_items(items, tmp_path)


def test_a_file_that_is_not_yaml_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A\nspec: {\n")
    (finding,) = read_items(["a.yaml"], tmp_path).findings
    assert (finding.rule.code, finding.file) == ("SM100", "a.yaml")


def test_applied_objects_say_where_they_come_from() -> None:
    declared = document(file="policies/team a/hello.yaml")
    body = applied(declared, "prod")
    assert body["metadata"]["labels"] == {
        "spanmesh.io/stack": "prod",
        "spanmesh.io/file": "policies.team.a.hello.yaml",
        "spanmesh.io/spec-hash": spec_hash(declared.body),
    }
    assert body["metadata"]["annotations"] == {
        "spanmesh.io/file": "policies/team a/hello.yaml",
        "pulumi.com/patchForce": "true",
    }
    assert "labels" not in declared.body["metadata"]


def test_hash_changes_with_the_spec_only() -> None:
    body = {"kind": "Telemetry", "metadata": {"name": "a"}, "spec": {"b": [1], "a": 2}}
    assert spec_hash(body) == spec_hash({**body, "spec": {"a": 2, "b": [1]}, "metadata": {}, "status": {"x": 1}})
    assert spec_hash(body) != spec_hash({**body, "spec": {"a": 2, "b": [2]}})


def test_label_values_are_admitted_by_kubernetes() -> None:
    assert label_value("/" + "a/" * 60 + "b.yaml/") == ("a." * 60 + "b.yaml")[-63:].strip(".")
