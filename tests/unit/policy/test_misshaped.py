"""Checks of meaning are made of documents whose shape is wrong, too: what is said of shape must reach the user."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policy.checks import check
from policy.document import Document, parse
from policy.world import Live, Placed, Pods, Service, ServicePort, World
from policy.written import written
from tests.unit.topology.test_load import changed
from topology import load_mesh

CANARY = {
    "service": "helloworld.sample",
    "versions": {"v1": 80, "v2": 20},
    "match": [{"headers": {"a": {"exact": "b"}}, "version": "v2"}],
}
FAILOVER = {"service": "helloworld.sample", "failover": [{"from": "cn-north-4", "to": "cn-east-3"}]}
MESH = load_mesh(changed({"policies": [{"canary": CANARY}, {"localityFailover": FAILOVER}]}))
DOCUMENTS = [
    *(document for document, _ in written(MESH)),
    *parse(Path(__file__).with_name("one_of_everything.yaml").read_text(), "a.yaml"),
]
CLUSTERS = ("cluster1", "cluster2")
LIVE = Live(
    services=tuple(Service("sample", name, (ServicePort("http", 80),), {"app": name}) for name in ("helloworld", "r")),
    pods=tuple(Pods("sample", {"app": name, "version": "v1"}, True, 1) for name in ("helloworld", "r")),
    namespaces={"sample": True},
)
WRONG: list[Any] = [None, 3, "x", [], {}, [None], [[1]], {"a": {"b": [1]}}]


def paths(value: Any, path: tuple[Any, ...] = ("spec",)) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(below, (*path, key))


def with_wrong(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(dict(body))
    at = body
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return body


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(document) for document in DOCUMENTS])
def test_no_check_stumbles_over_a_value_of_the_wrong_shape(document: Document) -> None:
    for path in paths(document.spec):
        for value in WRONG:
            wrong = Document("a.yaml", 1, with_wrong(document.body, path, value))
            placed = tuple(Placed(wrong if each is document else each, CLUSTERS) for each in DOCUMENTS)
            try:
                check(World(MESH, placed, dict.fromkeys(CLUSTERS, LIVE)))
            except Exception as error:
                error.add_note(f"{document}: {'.'.join(map(str, path))} is {value!r}")
                raise
