"""Findings as SARIF 2.1.0, which GitHub and editors show at the lines (https://docs.oasis-open.org/sarif/sarif/v2.1.0/)."""

from typing import Any
from urllib.parse import quote

from policy.finding import Finding, Rule
from policy.review import Review

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(review: Review, category: str) -> dict[str, Any]:
    """A log with one run.

    Args:
        review: what was found; its files are told from the repository's root.
        category: what tells this run from others of one commit: the stack.
    """
    rules = sorted({finding.rule for finding in review.findings}, key=lambda rule: rule.code)
    index = {rule.code: number for number, rule in enumerate(rules)}
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if review.missing:
        # Not a result: nothing is known to be wrong, but less was looked at.
        invocation["toolExecutionNotifications"] = [
            {"level": "warning", "message": {"text": reason}} for reason in review.missing
        ]
    run = {
        "tool": {"driver": {"name": "spanmesh", "rules": [_rule(rule) for rule in rules]}},
        "automationDetails": {"id": f"spanmesh-policy/{category}/"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index[finding.rule.code]) for finding in review.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    link = {"helpUri": rule.source} if rule.source.startswith("https://") else {}
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.replace("-", " ").split()),
        "shortDescription": {"text": rule.name},
        "fullDescription": {"text": rule.effect},
        "help": {"text": f"{rule.effect}. {rule.cure}. {rule.source}"},
        "defaultConfiguration": {"level": rule.severity},
        **link,
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    where = f" in {', '.join(finding.clusters)}" if finding.clusters else ""
    subject = f"{finding.subject}{where}: " if finding.subject else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule.code,
        "ruleIndex": index,
        "level": finding.rule.severity,
        "message": {"text": f"{subject}{finding.message}. {finding.cure or finding.rule.cure}."},
    }
    if finding.file:
        place = {"artifactLocation": {"uri": quote(finding.file)}, "region": {"startLine": max(finding.line, 1)}}
        result["locations"] = [{"physicalLocation": place}]
    if finding.acknowledged is not None:
        result["level"] = "note"
        result["suppressions"] = [{"kind": "inSource", "justification": finding.acknowledged}]
    return result
