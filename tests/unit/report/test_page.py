"""The page as a document: all is in it, in the order in which a reader needs it, and nothing else gets in."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from health.observed import Unknown
from report import Contents, render
from tests.unit.report.document import Document
from tests.unit.report.meshes import HOSTILE, faulty, healthy, hostile, twelve

MESHES = {"healthy": healthy, "faulty": faulty, "twelve": twelve, "hostile": hostile}
every_mesh = pytest.mark.parametrize("contents", MESHES.values(), ids=MESHES.keys())
Made = Callable[[], Contents]


def document(contents: Contents) -> Document:
    return Document(render(contents))


@every_mesh
def test_it_is_well_formed_and_every_id_is_unique(contents: Made) -> None:
    page = document(contents())
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert page.unbalanced == []
    assert len(ids) == len(set(ids))


@every_mesh
def test_links_within_the_page_and_labels_lead_to_something(contents: Made) -> None:
    page = document(contents())
    ids = {e.attributes["id"] for e in page.elements if "id" in e.attributes}
    wanted = {e.attributes["href"][1:] for e in page.elements if e.attributes.get("href", "").startswith("#")}
    wanted |= {e.attributes["aria-labelledby"] for e in page.elements if "aria-labelledby" in e.attributes}
    assert wanted <= ids


@every_mesh
def test_nothing_is_loaded_from_anywhere(contents: Made) -> None:
    page = document(contents())
    assert [e.tag for e in page.elements if "src" in e.attributes or "srcset" in e.attributes] == []
    assert [e.attributes["href"] for e in page.of("link")] == ["data:,"]
    style = page.of("style")[0].text
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_admits_this_style_and_this_script_only() -> None:
    page = document(faulty())
    policy = page.of("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    for name, element in (("style-src", page.of("style")[0]), ("script-src", page.of("script")[0])):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert rules[name] == [f"'sha256-{digest}'"]
    assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert len(page.of("style")) == len(page.of("script")) == 1


def test_only_a_page_that_is_served_may_ask_its_server() -> None:
    page = Document(render(faulty(), poll_seconds=1.5))
    assert "connect-src 'self'" in page.of("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    assert page.of("body")[0].attributes["data-poll"] == "1500"
    assert "data-poll" not in document(faulty()).of("body")[0].attributes


def test_what_clusters_say_never_becomes_markup() -> None:
    honest, attacked = document(faulty()), document(hostile())
    assert len(attacked.of("script")) == 1
    assert attacked.of("script")[0].text == honest.of("script")[0].text
    assert attacked.of("img") == []
    assert [e for e in attacked.elements if any(name.startswith("on") for name in e.attributes)] == []
    assert [e for e in attacked.elements if "style" in e.attributes] == []
    links = [e.attributes["href"] for e in attacked.of("a")]
    assert [link for link in links if not link.startswith(("#", "https://"))] == []
    assert HOSTILE in attacked.by_id("findings").text


def test_findings_come_first_failures_before_warnings() -> None:
    page = document(faulty())
    sections = [e.attributes["id"] for e in page.of("section")]
    assert sections[:3] == ["findings", "mesh", "traffic"]
    titles = [e.text for e in page.of("h3") if "findings" in [w.attributes.get("id") for w in e.within]]
    assert [re.findall(r"SM\d+", title) for title in titles] == [["SM641"], ["SM691"], ["SM695"], []]


def test_a_finding_has_where_message_cure_and_anchor() -> None:
    findings = document(faulty()).by_id("findings").text
    assert "cluster1 -> cluster2" in findings
    assert "29 of 60 requests were answered with 503 (UH)" in findings
    assert "Raise the quota of elastic IPs" in findings
    assert "docs/troubleshooting.md#sm641" in findings


def test_skipped_is_never_told_as_ok() -> None:
    fine = healthy()
    assert "every check is ok" in document(fine).by_id("findings").text
    said = document(replace(fine, results=[*fine.results, *(r for r in faulty().results if r.state == "skipped")]))
    assert "every check is ok" not in said.by_id("findings").text
    assert "the caller may not read ConfigMaps" in said.by_id("findings").text
    assert document(replace(fine, results=[])).of("title")[0].text.startswith("not checked")


def test_the_matrix_is_a_table_with_headers_for_rows_and_columns() -> None:
    page = document(faulty())
    table = page.of("table", **{"class": "matrix"})[0]
    heads = [e for e in page.of("th") if any(w is table for w in e.within)]
    assert [e.attributes["scope"] for e in heads] == ["col", "col", "col", "col", "row", "row"]
    assert "client not proven" in table.text
    assert "29 \N{MULTIPLICATION SIGN} 503 (UH) no healthy upstream" in table.text
    assert page.of("caption")[0].text.startswith("Requests of each client cluster")


@every_mesh
def test_every_table_has_scoped_headers_and_every_picture_has_words(contents: Made) -> None:
    page = document(contents())
    assert [e for e in page.of("th") if e.attributes.get("scope") not in ("col", "row")] == []
    words = {e.attributes["id"]: e.text.strip() for e in page.elements if "id" in e.attributes}
    for picture in page.of("svg", role="img"):
        assert words[picture.attributes["aria-labelledby"]]


def test_without_traffic_the_page_says_why() -> None:
    fine = healthy()
    silent = replace(fine, observed=replace(fine.observed, matrix=Unknown("--no-traffic"), drills=Unknown("none")))
    page = document(silent)
    assert "No requests were sent: --no-traffic" in page.by_id("traffic").text
    assert [e.attributes["id"] for e in page.of("section")].count("drills") == 0


def test_a_cluster_that_does_not_answer_says_why_and_hides_no_other() -> None:
    clusters = document(twelve()).by_id("clusters").text
    assert "no route to host" in clusters
    assert clusters.count("11/11 configured, 11/11 connected") == 11


def test_a_section_that_did_not_change_keeps_its_digest() -> None:
    before, after = document(faulty()), document(replace(faulty(), drift=None))
    digests = [{e.attributes["id"]: e.attributes["data-digest"] for e in d.of("section")} for d in (before, after)]
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {"policy"}
