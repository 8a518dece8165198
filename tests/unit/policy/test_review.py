"""All that is said of policy, in one."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from policy.document import Document, parse
from policy.files import NOT_YAML, Read
from policy.finding import Finding, Rule, at
from policy.review import RULES, Review, gather, review
from tests.unit.topology.test_load import changed
from topology import Mesh, load_mesh
from topology.policy import Narrowed

MESH = load_mesh(changed({}))
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: helloworld
  namespace: sample
  annotations: {ANNOTATIONS}
spec:
  host: helloworld.sample.svc.cluster.local
"""
SHAPELESS = Rule("SM112", "Shapeless", "error", "e", "c", "https://istio.io/", acknowledgeable=False)
SLOW = Rule("SM901", "Slow", "warning", "e", "c", "https://istio.io/")
OTHER = Rule("SM902", "Other", "error", "e", "c", "https://istio.io/")


def read(annotations: str = "{}", file: str = "a.yaml") -> Read:
    documents = parse(RULE.replace("{ANNOTATIONS}", annotations), file)
    return Read([(document, Narrowed()) for document in documents])


def reviewed(annotations: str, mesh: Mesh | None = MESH) -> Review:
    return review(mesh, gather(mesh, read(annotations)), {}, further=[SLOW, OTHER])


def codes(found: Review) -> list[str]:
    return [finding.rule.code for finding in found.findings]


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ("{acknowledge.spanmesh.io/SM310x: of course}", "no rule has the code SM310x"),
        ("{acknowledge.spanmesh.io/SM902: ''}", "no reason for SM902"),
        ("{acknowledge.spanmesh.io/SM902: }", "no reason for SM902"),
        ("{acknowledge.spanmesh.io/SM101: of course}", "cannot be acknowledged"),
    ],
)
def test_an_acknowledgement_of_nothing_is_an_error_at_its_line(annotations: str, says: str) -> None:
    (finding,) = reviewed(annotations).findings
    assert (finding.rule.code, finding.line, finding.stops) == ("SM104", 7, True)
    assert says in finding.message


def test_the_code_that_was_meant_is_named() -> None:
    (finding,) = reviewed("{acknowledge.spanmesh.io/SM90: of course}").findings
    assert finding.cure in {"Did you mean SM902?", "Did you mean SM901?"}


def test_what_is_acknowledged_with_a_reason_stops_nothing() -> None:
    gathered = gather(MESH, read("{acknowledge.spanmesh.io/SM902: known}"))
    found = review(MESH, gathered, {}, further=[OTHER]).also([at(gathered.placed[0].document, (), OTHER, "m")])
    assert codes(found) == ["SM902"]
    assert (found.errors, found.warnings, len(found.acknowledged)) == ((), (), 1)


def test_findings_come_in_the_order_of_files_and_lines_and_each_once() -> None:
    document = read().documents[0][0]
    late = at(document, ("spec", "host"), SLOW, "m")
    early = at(document, ("metadata", "name"), OTHER, "m")
    elsewhere = replace(early, file="0.yaml", line=99)
    gathered = gather(MESH, read())
    found = review(MESH, gathered, {}).also([late, early, late], ["a", "b"]).also([elsewhere, early], ["a"])
    assert found.findings == (elsewhere, early, late)
    assert found.errors == (elsewhere, early)
    assert found.warnings == (late,)
    assert found.missing == ("a", "b")


def test_files_that_cannot_be_read_are_findings_beside_the_others() -> None:
    broken = Read(read().documents, [Finding(NOT_YAML, "b.yaml", 3, "", "it is not")])
    assert codes(review(MESH, gather(MESH, broken), {})) == ["SM100"]


def shapeless(document: Document) -> Iterable[Finding]:
    yield at(document, ("spec",), SHAPELESS, "m")


def test_a_document_is_held_against_each_istio_version_of_its_clusters_once() -> None:
    looked: list[str] = []

    def counting(document: Document) -> Iterable[Finding]:
        looked.append(document.name)
        return shapeless(document)

    found = review(MESH, gather(MESH, read()), {"cluster1": counting, "cluster2": counting})
    assert looked == ["helloworld"]
    assert [finding.clusters for finding in found.findings] == [()]
    # Where one version takes what another does not, the finding says in which clusters that is.
    found = review(MESH, gather(MESH, read()), {"cluster1": lambda _: [], "cluster2": shapeless})
    assert [finding.clusters for finding in found.findings] == [("cluster2",)]


def test_without_a_mesh_documents_are_held_against_one_version() -> None:
    assert codes(review(None, gather(None, read()), {"": shapeless})) == ["SM112"]


def test_helpers_are_judged_as_files_are_and_declared_services_are_no_policy_to_judge() -> None:
    mesh = load_mesh(
        changed(
            {
                "policies": [{"localityFailover": {"service": "a.b"}}],
                "services": [{"service": "a.b", "ports": [{"name": "http", "port": 80}], "servedBy": ["cluster1"]}],
            }
        )
    )
    looked: list[str] = []

    def looking(document: Document) -> Iterable[Finding]:
        looked.append(str(document))
        return ()

    gathered = gather(mesh, Read())
    assert [(str(p.document), p.clusters) for p in gathered.placed] == [
        ("VirtualService b/a", ("cluster1", "cluster2")),
        ("DestinationRule b/a", ("cluster1", "cluster2")),
        ("Service b/a", ("cluster2",)),
    ]
    review(mesh, gathered, {"cluster1": looking, "cluster2": lambda _: []})
    assert looked == ["VirtualService b/a", "DestinationRule b/a"]


def test_every_code_is_of_one_rule() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
