"""`spanmesh report` of a mesh of the lab: what is there stands on the page, and nothing is left behind."""

import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.project import ROOT
from live.probe import NAMESPACE
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.unit.report.document import Document

pytestmark = pytest.mark.lab

CLUSTERS = ("cluster1", "cluster2")


def test_the_page_has_the_traffic_certificates_and_clusters_of_the_mesh(mirrored: Mirrored, tmp_path: Path) -> None:
    stack, file = mirrored.stack, tmp_path / "report.html"
    arguments = ["report", "--stack", stack.name, "--cwd", str(stack.project), "--output", str(file)]
    ran = CliRunner().invoke(app, arguments, env=stack.environment)
    assert ran.exit_code == 0, ran.output
    assert ", 0 skipped," in ran.output

    page = Document(file.read_text())
    assert "every check is ok" in page.by_id("findings").text
    matrix = next(e for e in page.of("table") if e.attributes.get("class") == "matrix")
    assert matrix.text.count("both proven") == len(CLUSTERS) ** 2
    assert "gateway" in matrix.text
    bars = [e.text for e in page.of("title") if any(w.attributes.get("id") == "certificates" for w in e.within)]
    assert [words.split()[0] for words in bars] == [
        "root",
        *(2 * ["intermediate"]),
        *(2 * ["istiod"]),
        *(2 * ["token"]),
    ]
    assert page.by_id("clusters").text.count("1/1 configured, 1/1 connected") == len(CLUSTERS)
    marks = [e.text for e in page.of("span") if any(w.attributes.get("id") == "policy" for w in e.within)]
    assert marks.count("in step") == len(CLUSTERS)
    for cluster in CLUSTERS:
        assert not mirrored.kubectl(cluster)("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name")


def test_a_watched_report_is_served_until_ctrl_c(mirrored: Mirrored, tmp_path: Path) -> None:
    stack = mirrored.stack
    said = tmp_path / "said"
    command = [str(ROOT / "spanmesh"), "report", "--stack", stack.name, "--cwd", str(stack.project)]
    with said.open("w") as log:
        running = subprocess.Popen(
            [*command, "--watch", "--port", "0", "--no-traffic"],
            env={**os.environ, **stack.environment},
            stderr=log,
            start_new_session=True,
        )
    try:
        assert eventually(lambda: " ok" in said.read_text(), 60), said.read_text()
        address = re.findall(r"http://127\.0\.0\.1:\d+/", said.read_text())[0]
        with urllib.request.urlopen(address, timeout=10) as answer:
            page = Document(answer.read().decode())
        assert page.of("body")[0].attributes["data-poll"]
        assert "--no-traffic" in page.by_id("traffic").text
    finally:
        os.killpg(running.pid, signal.SIGINT)
    assert running.wait(30) == 130
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)
