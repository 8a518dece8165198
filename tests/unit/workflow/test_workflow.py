"""The workflow: what it may do, which jobs an event starts, and for which stacks."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.project import ROOT
from tests.github import EXPRESSION, WORKFLOW, evaluate, filled, load_workflow, pulumi_commands, runs, stacks
from topology.defaults import VERSION

DOCUMENT = load_workflow()
JOBS: dict[str, dict[str, Any]] = DOCUMENT["jobs"]
CHANGES = {"changed": ["prod", "acme-cn"], "updates": [["prod"], ["acme-cn"], ["acme"]]}
SECRET_JOBS = {"preview", "up", "up-groups", "up-links"}
REPOSITORY = "acme/mesh"


def contexts(event: str, head: str = REPOSITORY, user: str = "alice", changes: object = None) -> dict[str, Any]:
    pull = {"number": 7, "head": {"repo": {"full_name": head}}, "user": {"login": user}, "base": {"sha": "abc"}}
    github = {
        "event_name": event,
        "repository": REPOSITORY,
        "ref": "refs/heads/main",
        "event": {"pull_request": pull} if event == "pull_request" else {},
    }
    needs = {"changes": {"outputs": {"stacks": json.dumps(changes or CHANGES)}}}
    return {"github": github, "needs": needs, "vars": {}, "secrets": {}, "matrix": {"stack": "prod"}}


def started(found: dict[str, Any]) -> set[str]:
    return {name for name, job in JOBS.items() if runs(job, found)}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    else:
        yield str(value)


def test_every_action_is_pinned_to_a_commit_and_says_which_release_that_is() -> None:
    lines = [line.strip() for line in WORKFLOW.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w-]+(/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    pins = {re.sub(r"^.*uses: ", "", line) for line in lines}
    assert len({pin.split("@")[0] for pin in pins}) == len(pins), "one action at two commits"


def test_no_job_may_write_but_the_preview_its_comment_and_the_check_of_policy_its_findings() -> None:
    assert DOCUMENT["permissions"] == {}
    may = {"preview": {"pull-requests"}, "policy": {"security-events"}}
    for name, job in JOBS.items():
        written = {scope for scope, access in job["permissions"].items() if access != "read"}
        assert written == may.get(name, set()), name


def test_no_credential_of_the_checkout_is_kept() -> None:
    for name, job in JOBS.items():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_nothing_from_outside_is_written_into_a_script() -> None:
    for name, job in JOBS.items():
        for step in job["steps"]:
            assert not EXPRESSION.search(step.get("run", "")), f"{name}: {step['run']}"


def test_only_jobs_that_talk_to_clusters_see_secrets_and_only_in_the_steps_that_need_them() -> None:
    assert {name for name, job in JOBS.items() if any("secrets." in text for text in texts(job))} == SECRET_JOBS
    assert "secrets." not in str({key: value for key, value in DOCUMENT.items() if key != "jobs"})
    for name in SECRET_JOBS:
        assert "secrets." not in str({key: value for key, value in JOBS[name].items() if key != "steps"})
        with_secrets = [step for step in JOBS[name]["steps"] if "secrets." in str(step)]
        assert [step["name"] for step in with_secrets] in (["pulumi preview"], ["pulumi up", "Gateway addresses"]), name
        assert all("env" in step and "secrets." not in str({**step, "env": {}}) for step in with_secrets)


def test_secrets_are_never_given_to_code_of_a_fork() -> None:
    assert set(DOCUMENT[True]) == {"pull_request", "push"}  # YAML 1.1 reads the key `on` as true
    assert started(contexts("pull_request", head="mallory/mesh")) == {"unit", "clusterless", "policy", "changes"}
    assert started(contexts("pull_request", user="dependabot[bot]")) == {"unit", "clusterless", "policy", "changes"}


def test_a_pull_request_of_the_repository_is_tested_and_previewed() -> None:
    found = contexts("pull_request")
    assert started(found) == {"unit", "clusterless", "policy", "changes", "preview"}
    assert stacks(JOBS["preview"], found) == ["prod", "acme-cn"]


def test_a_push_is_tested_and_brought_up_in_three_rounds() -> None:
    found = contexts("push")
    assert started(found) == {"unit", "clusterless", "policy", "changes", "up", "up-groups", "up-links"}
    rounds = ["up", "up-groups", "up-links"]
    assert [stacks(JOBS[name], found) for name in rounds] == CHANGES["updates"]
    for before, after in pairwise(rounds):
        assert before in JOBS[after]["needs"]
    assert all({"unit", "clusterless", "policy", "changes"} <= set(JOBS[name]["needs"]) for name in rounds)
    # Otherwise a round without stacks, which is skipped, would skip those after it.
    assert all("!failure() && !cancelled()" in JOBS[name]["if"] for name in rounds[1:])


def test_what_concerns_no_stack_neither_previews_nor_brings_up() -> None:
    nothing: dict[str, list[object]] = {"changed": [], "updates": [[], [], []]}
    for event in ("pull_request", "push"):
        assert started(contexts(event, changes=nothing)) == {"unit", "clusterless", "policy", "changes"}


def test_istioctl_is_of_the_version_that_stacks_have_where_they_name_none() -> None:
    (install,) = [step for step in JOBS["policy"]["steps"] if "istioctl" in step.get("run", "")]
    assert install["env"]["ISTIO_VERSION"] == VERSION
    assert "sha256sum --check" in install["run"]


def test_findings_of_policy_are_shown_also_where_they_stop_the_job_but_not_by_who_may_write_nothing() -> None:
    *_, check, show = JOBS["policy"]["steps"]
    assert "--output sarif" in check["run"]
    assert show["with"]["sarif_file"] == "sarif"
    assert "!cancelled()" in show["if"], "the step before it fails on errors"
    assert evaluate(show["if"], contexts("push"))
    assert evaluate(show["if"], contexts("pull_request"))
    assert not evaluate(show["if"], contexts("pull_request", head="mallory/mesh"))
    assert not evaluate(show["if"], contexts("pull_request", user="dependabot[bot]"))


def test_rounds_without_stacks_are_left_out() -> None:
    only_whole = {"changed": ["prod"], "updates": [["prod"], [], []]}
    assert "up" in started(contexts("push", changes=only_whole))
    assert started(contexts("push", changes=only_whole)).isdisjoint({"up-groups", "up-links"})


def test_a_newer_commit_ends_a_preview_and_never_an_update() -> None:
    group = DOCUMENT["concurrency"]
    pull, push = contexts("pull_request"), contexts("push")
    assert filled(group["cancel-in-progress"], pull) is True
    assert filled(group["cancel-in-progress"], push) is False
    assert filled(group["group"], pull) == "mesh-pull_request-7"
    assert filled(group["group"], push) == "mesh-push-refs/heads/main"
    for name in ("up", "up-groups", "up-links"):
        own = JOBS[name]["concurrency"]
        assert filled(own["group"], push) == "stack-prod"
        assert own["cancel-in-progress"] is False
        assert filled(JOBS[name]["environment"], push) == "prod"


def test_pulumi_is_that_of_the_tests() -> None:
    pinned = re.search(r"^pulumi==(\S+)$", (ROOT / "requirements/lab.in").read_text(), re.MULTILINE)
    assert pinned
    assert DOCUMENT["env"]["PULUMI_VERSION"] == pinned[1]


def test_the_comment_is_updated_in_place_and_shows_the_difference() -> None:
    (step,) = [step for step in JOBS["preview"]["steps"] if step.get("name") == "pulumi preview"]
    inputs = step["with"]
    assert inputs["command"] == "preview"
    assert all(inputs[name] is True for name in ("comment-on-pr", "edit-pr-comment", "diff"))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("github.event.pull_request.number || github.ref", "refs/heads/main"),
        ("github.event.pull_request.base.sha", None),
        ("github.event_name != 'push'", False),
        ("!cancelled() && github.event_name == 'push'", True),
        ("""fromJSON('{"a": [[], ["b"]]}').a[0][0] != null""", False),
        ("""fromJSON('{"a": [[], ["b"]]}').a[1][0]""", "b"),
    ],
)
def test_expressions_are_read_as_on_github(expression: str, value: object) -> None:
    assert evaluate(expression, contexts("push")) == value


def test_an_input_that_the_tests_do_not_know_is_refused() -> None:
    with pytest.raises(AssertionError, match="target-dependents"):
        pulumi_commands({"command": "up", "stack-name": "prod", "target-dependents": True})


STACK_FILES = sorted((ROOT / "stacks").glob("*.yaml"))


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_every_file_of_a_stack_names_its_schema(path: Path) -> None:
    kind = "stack" if path.name.startswith("Pulumi.") else "mesh"
    assert path.read_text().splitlines()[0] == f"# yaml-language-server: $schema=../docs/{kind}.schema.json"


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_no_stack_lets_the_shells_cluster_in(path: Path) -> None:
    config = yaml.safe_load(path.read_text()).get("config")
    assert config is None or config["pulumi:disable-default-providers"] == ["kubernetes"]
