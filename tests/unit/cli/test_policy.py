"""`spanmesh policy` as a user types it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.app import app
from tests.unit.topology.test_load import changed
from topology import MeshConfigError

RUN = CliRunner()
SARIF = jsonschema.Draft4Validator(json.loads(Path(__file__).with_name("sarif-2.1.0.schema.json").read_text()))
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: helloworld
  namespace: sample
spec:
  host: helloworld.sample.svc.cluster.local
  subsets:
  - name: v1
    labels: {version: v1}
"""
ROUTE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: helloworld
  namespace: sample
spec:
  hosts: [helloworld.sample.svc.cluster.local]
  http:
  - route:
    - destination: {host: helloworld.sample.svc.cluster.local, subset: v1}
      weight: 80
    - destination: {host: helloworld.sample.svc.cluster.local, subset: v2}
      weight: 20
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack `prod` with a file of policy, a canary and a declared Service: nothing is wrong with it."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/rule.yaml").write_text(RULE)
    mesh = changed(
        {
            "istio": {"charts": "charts"},
            "policies": [
                "policies/rule.yaml",
                {"canary": {"service": "ratings.shop", "versions": {"v1": 80, "v2": 20}}},
            ],
            "services": [
                {"service": "reviews.shop", "ports": [{"name": "http", "port": 80}], "servedBy": ["cluster1"]}
            ],
        }
    )
    config = {"config": {"spanmesh:mesh": mesh}}
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    # Without tools: what they say is judged elsewhere.
    monkeypatch.setenv("SPANMESH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return RUN.invoke(app, ["policy", *arguments], catch_exceptions=False)


def checked(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(run("check", *arguments, "-o", "json").stdout))


def test_nothing_wrong_ends_with_0_and_says_who_could_not_be_asked(project: Path) -> None:
    ended = run("check", "--stack", "prod", "-C", str(project))
    assert ended.exit_code == 0, ended.stdout
    assert "not judged: " in ended.stdout
    assert "istioctl" in ended.stdout
    assert "0 errors" in ended.stdout


def test_errors_end_with_1_at_their_file_and_line(project: Path) -> None:
    (project / "policies/rule.yaml").write_text(RULE + ROUTE)
    ended = run("check", "-s", "prod", "-C", str(project), "-o", "json")
    assert ended.exit_code == 1
    (finding,) = [f for f in json.loads(ended.stdout)["findings"] if f["code"] == "SM202"]
    assert (finding["file"], finding["severity"]) == ("policies/rule.yaml", "error")
    assert "subset: v2" in (RULE + ROUTE).splitlines()[finding["line"] - 1]
    assert finding["effect"]
    assert finding["source"].startswith("https://")
    table = run("check", "-s", "prod", "-C", str(project)).stdout
    assert "SM202" in table
    assert f"policies/rule.yaml:{finding['line']}" in table


def test_a_helper_is_found_at_its_line_of_the_stack_file(project: Path) -> None:
    path = project / "stacks/Pulumi.prod.yaml"
    text = path.read_text().replace("service: ratings.shop", "service: helloworld.sample")
    path.write_text(text)
    finding = next(f for f in checked("-s", "prod", "-C", str(project))["findings"] if f["code"] == "SM102")
    assert finding["file"] == "stacks/Pulumi.prod.yaml"
    assert "canary:" in text.splitlines()[finding["line"] - 1]


def test_files_are_checked_without_a_stack_and_instead_of_the_stacks_own(project: Path) -> None:
    (project / "new.yaml").write_text(RULE + ROUTE)
    alone = run("check", "new.yaml", "-C", str(project), "-o", "json")
    assert alone.exit_code == 1
    assert {f["file"] for f in json.loads(alone.stdout)["findings"] if f["file"]} == {"new.yaml"}
    of_stack = checked("new.yaml", "-s", "prod", "-C", str(project))
    # The two of the file, and the Service that the stack declares; not its own policies.
    assert of_stack["objects"] == 3


def test_a_file_that_is_not_yaml_is_an_error_at_its_line(project: Path) -> None:
    (project / "new.yaml").write_text("kind: A\nmetadata: [\n")
    ended = run("check", "new.yaml", "-o", "json")
    assert ended.exit_code == 1
    assert [f["code"] for f in json.loads(ended.stdout)["findings"] if f["file"]] == ["SM100"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere.yaml"],
        ["check", "policies/rule.yaml", "--live"],
        ["check", "-o", "xml"],
        ["canary", "helloworld.sample", "--weight", "v1"],
        ["canary", "helloworld.sample", "--weight", "v1=50"],
        ["canary", "helloworld", "--weight", "v1=100"],
        ["canary", "helloworld.sample", "--weight", "v1=100", "--header", "x-user=tester"],
        ["canary", "helloworld.sample", "--weight", "v1=100", "--header", "X-User=tester:v1"],
        ["canary", "helloworld.sample", "--weight", "v1=100", "--header", "x-user=tester:v9"],
        ["locality-failover", "helloworld.sample", "--failover", "a=a"],
        ["locality-failover", "helloworld.sample", "--attempts", "-1"],
    ],
)
def test_wrong_usage_ends_with_2(project: Path, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_sarif_is_valid_and_names_rules_lines_and_reasons(project: Path) -> None:
    acknowledged = RULE.replace("  namespace: sample", "  namespace: sample\n  annotations: {spanmesh.io/clusters: c9}")
    (project / "policies/rule.yaml").write_text(acknowledged + ROUTE)
    ended = run("check", "-s", "prod", "-C", str(project), "-o", "sarif")
    assert ended.exit_code == 1
    log = json.loads(ended.stdout)
    SARIF.validate(log)
    (made,) = log["runs"]
    assert made["automationDetails"]["id"] == "spanmesh-policy/prod/"
    rules = made["tool"]["driver"]["rules"]
    places = {}
    for result in made["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result.get("locations", []):
            place = location["physicalLocation"]
            places[result["ruleId"]] = (place["artifactLocation"]["uri"], place["region"]["startLine"])
    assert places["SM101"] == ("policies/rule.yaml", 7)
    assert made["invocations"][0]["toolExecutionNotifications"], "judges that were missing"


def test_an_acknowledged_finding_is_suppressed_in_sarif_with_its_reason(project: Path) -> None:
    meant = ROUTE.replace(
        "  namespace: sample", "  namespace: sample\n  annotations: {acknowledge.spanmesh.io/SM202: soon}"
    )
    (project / "policies/rule.yaml").write_text(RULE + meant)
    log = json.loads(run("check", "-s", "prod", "-C", str(project), "-o", "sarif").stdout)
    SARIF.validate(log)
    (result,) = [r for r in log["runs"][0]["results"] if r["ruleId"] == "SM202"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "soon"}]
    assert result["level"] == "note"
    assert "acknowledged" in run("check", "-s", "prod", "-C", str(project)).stdout


def test_what_is_printed_is_what_is_applied(project: Path) -> None:
    printed = run("print", "-s", "acme/mesh/prod", "-C", str(project)).stdout
    bodies = list(yaml.safe_load_all(printed))
    assert [body["kind"] for body in bodies] == ["DestinationRule", "VirtualService", "DestinationRule", "Service"]
    for body in bodies:
        assert body["metadata"]["labels"]["spanmesh.io/stack"] == "prod"
        assert body["metadata"]["labels"]["spanmesh.io/spec-hash"]
    assert bodies[0]["spec"] == yaml.safe_load(RULE)["spec"]
    assert "# policies/rule.yaml:2 in cluster1, cluster2" in printed
    of_one = run("print", "-s", "prod", "--cluster", "cluster1", "-C", str(project)).stdout
    assert [body["kind"] for body in yaml.safe_load_all(of_one)] == [body["kind"] for body in bodies[:3]]


def test_a_stack_of_a_group_has_no_policy_to_print() -> None:
    with pytest.raises(MeshConfigError, match="group cn, and applies no policy"):
        run("print", "-s", "acme-cn")


def test_a_canary_is_printed_without_a_stack(project: Path) -> None:
    words = ["canary", "helloworld.sample", "--weight", "v1=80", "--weight", "v2=20", "--header", "x-user=a:b:v2"]
    route, rule = yaml.safe_load_all(run(*words).stdout)
    assert [each["weight"] for each in route["spec"]["http"][1]["route"]] == [80, 20]
    assert route["spec"]["http"][0]["match"] == [{"headers": {"x-user": {"exact": "a:b"}}}]
    assert [subset["name"] for subset in rule["spec"]["subsets"]] == ["v1", "v2"]


def test_a_locality_failover_is_printed_without_a_stack(project: Path) -> None:
    words = ["locality-failover", "helloworld.sample", "--failover", "cn-north-4=cn-east-3", "--attempts", "5"]
    route, rule = yaml.safe_load_all(run(*words).stdout)
    assert route["spec"]["http"][0]["retries"]["attempts"] == 5
    locality = rule["spec"]["trafficPolicy"]["loadBalancer"]["localityLbSetting"]
    assert locality["failover"] == [{"from": "cn-north-4", "to": "cn-east-3"}]


def test_what_helpers_print_is_policy_without_findings(project: Path) -> None:
    (project / "new.yaml").write_text(
        run("canary", "helloworld.sample", "--weight", "v1=80", "--weight", "v2=20").stdout
    )
    found = checked("new.yaml")
    assert (found["errors"], found["objects"]) == (0, 2)
