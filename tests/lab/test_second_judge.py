"""Our checks against Istio's own verdict: istioctl of both versions, over the corpus and Istio's published samples.

No lab has to run: only the tools that `spanmesh tools install` brings.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from judges import second_opinion, shapes_of
from judges.analysis import analyse
from judges.istioctl import validate
from judges.rules import REFUSED
from policy.checks import check
from policy.document import Document, PolicyFileError, parse
from policy.finding import Finding
from policy.shape.kinds import is_policy
from policy.world import Live, Placed, World
from tests.lab.conftest import VERSIONS
from tests.unit.policy import corpus
from toolchain import Tool, Toolchain, ToolError
from topology import Mesh

pytestmark = pytest.mark.lab
KINDS = ("istioctl", "istio-charts", "istio-samples", "gateway-api-crds")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each of the proven Istio versions."""
    return str(request.param)


@pytest.fixture(scope="module")
def installed(version: str) -> dict[str, Tool]:
    """Its tools, by name without version."""
    try:
        tools = Toolchain().ensure([f"{kind}@{version}" for kind in KINDS])
    except ToolError as cause:
        pytest.skip(f"the tools of Istio {version} could not be had: {cause}")
    return {name.partition("@")[0]: tool for name, tool in tools.items()}


def _own(documents: list[Document], version: str) -> dict[str, list[Finding]]:
    """What our rules say by themselves, each file alone: samples of one folder are alternatives."""
    shape = shapes_of(None, Path(), version).by_cluster[""]
    files: dict[str, list[Document]] = {}
    for document in documents:
        files.setdefault(document.file, []).append(document)
    return {
        file: [
            *(finding for each in here for finding in shape(each)),
            *check(World(None, tuple(Placed(each, ()) for each in here))),
        ]
        for file, here in files.items()
    }


def _samples(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.rglob("*.yaml")):
        name = str(path.relative_to(folder))
        try:
            documents = parse(path.read_text(), name)
        except PolicyFileError:
            # Templates of Helm.
            assert "{{" in path.read_text(), name
            continue
        yield from (each for each in documents if is_policy(each.group, each.kind))


def test_nothing_that_istio_refuses_passes_our_own_rules(version: str, installed: dict[str, Tool]) -> None:
    rows = corpus.invalid()
    documents = [corpus.written(row, f"{index}: {row['wrong']}") for index, row in enumerate(rows)]
    refused = {f.file for f in validate(installed["istioctl"].path, documents) if f.rule is REFUSED}
    own = _own(documents, version)
    assert [file for file in refused if not any(finding.stops for finding in own[file])] == []
    # The table says of which documents istioctl has an opinion, so that this test cannot pass by asking nothing.
    expected = {
        document.file
        for document, row in zip(documents, rows, strict=True)
        if row.get("istio", True) and document.group.endswith(".istio.io") and row["code"] != "SM110"
    }
    assert refused == expected


def test_what_istio_takes_passes_both(version: str, installed: dict[str, Tool]) -> None:
    documents = corpus.valid()
    assert [str(f) for f in validate(installed["istioctl"].path, documents)] == []
    assert [
        str(finding) for each in documents for finding in shapes_of(None, Path(), version).by_cluster[""](each)
    ] == []


def test_no_false_alarm_on_istios_samples(version: str, installed: dict[str, Tool]) -> None:
    documents = list(_samples(installed["istio-samples"].path))
    assert len(documents) > 80
    alarms = [str(finding) for found in _own(documents, version).values() for finding in found if finding.stops]
    assert alarms == []


def test_second_judge_gives_no_false_alarm_on_istios_samples(version: str, installed: dict[str, Tool]) -> None:
    files: dict[str, list[Placed]] = {}
    for document in _samples(installed["istio-samples"].path):
        files.setdefault(document.file, []).append(Placed(document, ()))
    program = installed["istioctl"].path
    documents = [each.document for placed in files.values() for each in placed]
    alarms = [str(finding) for finding in validate(program, documents) if finding.stops]
    for placed in files.values():
        alarms += [str(finding) for finding in analyse(program, World(None, ()), placed, ()) if finding.stops]
    assert alarms == []


def test_what_is_refused_for_its_shape_is_told_once(version: str, installed: dict[str, Tool]) -> None:
    document = corpus.written(corpus.invalid()[0], "a.yaml")
    shape = shapes_of(None, Path(), version).by_cluster[""]
    world = World(None, (Placed(document, ()),))
    assert [f.rule.code for f in second_opinion(world, version=version).findings] == ["SM901"]
    assert second_opinion(world, shape(document), version).findings == ()


def test_analysis_is_of_each_clusters_own_policy(version: str, installed: dict[str, Tool]) -> None:
    clusters = [{"name": name, "network": name, "apiServer": f"https://{name}.example.com"} for name in ("c1", "c2")]
    mesh = Mesh.model_validate({"istio": {"version": version}, "clusters": clusters})
    [document] = parse(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: b}\n"
        "spec:\n  hosts: [a]\n  http:\n  - route:\n    - destination:\n        host: a\n        subset: v1\n",
        "a.yaml",
    )
    others = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {"host": "a", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]},
    }
    world = World(mesh, (Placed(document, ("c1", "c2")),), {"c1": Live(others=(others,)), "c2": Live()})
    [finding] = second_opinion(world, version=version).findings
    assert (finding.rule.code, finding.clusters) == ("SM902", ("c2",))
    assert "IST0101" in finding.message
    assert finding.line in (9, 10)
    # Of a cluster that was not asked nobody knows whether others have the DestinationRule there.
    assert second_opinion(World(mesh, world.placed), version=version).findings == ()
