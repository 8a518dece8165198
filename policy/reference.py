"""docs/policy-checks.md: every rule that policy is held against, written from the rules themselves."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from policy.finding import Rule

HEAD = """# Checks of policy

<!-- Written by `spanmesh reference` from the rules: change them, not this. -->

What `pulumi preview` and `spanmesh policy check` hold policy against ([policy.md](policy.md) says how).
An error stops a preview; a warning shows in it. A finding is acknowledged, where that is possible, by an annotation of
its object, for example `acknowledge.spanmesh.io/SM206: the name is an external host`; it needs a reason.
Codes keep their meaning.
"""
CHAPTERS = {
    "SM10": "Reading and placing",
    "SM11": "Shape: the types of the configured Istio version",
    "SM2": "Routes and Services",
    "SM3": "Localities, outlier detection and TLS",
    "SM4": "Between objects and clusters",
    "SM5": "What the clusters say",
    "SM9": "Istio's own verdict",
}


def page(rules: Sequence[Rule]) -> str:
    """The whole page.

    Args:
        rules: every rule, in any order.

    Raises:
        ValueError: two rules have one code, or a code belongs to no chapter.
    """
    ordered = sorted(rules, key=lambda rule: rule.code)
    codes = [rule.code for rule in ordered]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ValueError(f"two rules have the code {', '.join(twice)}")
    parts = [HEAD, "\n".join(_overview(ordered))]
    for chapter, of_chapter in groupby(ordered, key=_chapter):
        parts += [f"## {chapter}", *(_section(rule) for rule in of_chapter)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _chapter(rule: Rule) -> str:
    for prefix, title in CHAPTERS.items():
        if rule.code.startswith(prefix):
            return title
    raise ValueError(f"{rule.code} is of no chapter of docs/policy-checks.md")


def _overview(rules: Sequence[Rule]) -> Iterator[str]:
    yield "| code | severity | what |"
    yield "|--|--|--|"
    for rule in rules:
        yield f"| [{rule.code}](#{rule.code.lower()}) | {rule.severity} | {_line(rule.name)} |"


def _section(rule: Rule) -> str:
    lets = "can be acknowledged" if rule.acknowledgeable else "cannot be acknowledged"
    return "\n".join(
        [
            f"### {rule.code}",
            "",
            f"**{_line(rule.name)}** ({rule.severity}, {lets})",
            "",
            f"- Effect: {_line(rule.effect)}.",
            f"- Cure: {_line(rule.cure)}.",
            f"- Source: {rule.source}",
        ]
    )


def _line(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|").rstrip(".")
