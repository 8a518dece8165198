"""The table of gateway addresses, from stack outputs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app

RUN = CliRunner()
OUTPUTS = """
{"meshId": "mesh1", "clusters": {
  "cluster1": {"region": "cn-north-4", "network": "network1", "ingress": {"addresses": ["198.51.100.65"]},
               "eastWest": {"addresses": ["198.51.100.64", "198.51.100.66"], "port": 15443}},
  "cluster2": {"region": null, "network": "network2", "ingress": null,
               "eastWest": {"addresses": ["lb.example.com"], "port": 15443}}}}
"""


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, outputs: str, form: str) -> str:
    program = folder / "pulumi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{outputs}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    ran = RUN.invoke(app, ["gateways", "--stack", "prod", "-o", form, "-C", str(folder)])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_markdown_has_a_row_for_each_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, monkeypatch, OUTPUTS, "markdown").splitlines() == [
        "### prod",
        "",
        "| cluster | region | network | gateway | addresses | ports |",
        "| -- | -- | -- | -- | -- | -- |",
        "| cluster1 | cn-north-4 | network1 | east-west | 198.51.100.64, 198.51.100.66 | 15443 |",
        "| cluster1 | cn-north-4 | network1 | ingress | 198.51.100.65 |  |",
        "| cluster2 |  | network2 | east-west | lb.example.com | 15443 |",
        "",
    ]


def test_a_stack_of_trust_and_links_has_no_gateways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = '{"clusters": {"cluster1": {"region": "r", "network": "n", "reads": []}}}'
    assert "No gateways" in run(tmp_path, monkeypatch, outputs, "markdown")


def test_text_and_json_name_the_same_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, data = (run(tmp_path, monkeypatch, OUTPUTS, form) for form in ("text", "json"))
    for address in ("198.51.100.64", "198.51.100.66", "198.51.100.65", "lb.example.com"):
        assert address in text
        assert f'"{address}"' in data
