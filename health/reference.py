"""docs/troubleshooting.md: every cause that checks of a running mesh can name, written from the causes themselves."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from health.check import Cause, Check

PAGE = "docs/troubleshooting.md"
HEAD = """# Troubleshooting

<!-- Written by `spanmesh reference` from the checks: change them, not this. -->

What `spanmesh verify`, `spanmesh diagnose` and `spanmesh explain` find wrong with a running mesh, each with its
symptom, cause and cure. An error makes a check fail; a warning does not. `diagnose` names the first cause; what only
follows from it is counted there, and listed by `-o json`. A check that could not be made, for a right that is missing
or a cluster that does not answer, is *skipped*, with the reason; that is not the same as ok. Codes keep their meaning.
"""
# A symptom that begins so is none that anybody looks for.
UNSEEN = "Nothing"
CHAPTERS = {
    "SM61": "Clusters and istiods",
    "SM62": "Remote access",
    "SM63": "Trust",
    "SM64": "East-west gateways",
    "SM65": "Identity and clocks",
    "SM66": "Proxies",
    "SM67": "Services and workloads",
    "SM68": "Policy",
    "SM69": "Traffic",
    "SM70": "Drills",
    "SM71": "One request",
    "SM72": "One request",
}


def anchor(cause: Cause) -> str:
    """Where the page says more of a cause: ``docs/troubleshooting.md#sm621``."""
    return f"{PAGE}#{cause.code.lower()}"


def page(checks: Sequence[Check]) -> str:
    """The whole page.

    Args:
        checks: every check, in the order in which they are made; a cause may be of several.

    Raises:
        ValueError: two causes have one code, two checks one name, or a code belongs to no chapter.
    """
    causes = _by_code(checks)
    of = {code: [check.name for check in checks if cause in check.causes] for code, cause in causes.items()}
    parts = [HEAD, "## Symptoms", "\n".join(_overview(causes.values())), "## Checks", "\n".join(_checks(checks))]
    for chapter, of_chapter in groupby(causes.values(), key=_chapter):
        parts += [f"## {chapter}", *(_section(cause, of[cause.code]) for cause in of_chapter)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _by_code(checks: Sequence[Check]) -> dict[str, Cause]:
    names = [check.name for check in checks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two checks are called {', '.join(twice)}")
    found: dict[str, Cause] = {}
    for cause in (cause for check in checks for cause in check.causes):
        if found.setdefault(cause.code, cause) != cause:
            raise ValueError(f"two causes have the code {cause.code}")
    return {code: found[code] for code in sorted(found)}


def _chapter(cause: Cause) -> str:
    for prefix, title in CHAPTERS.items():
        if cause.code.startswith(prefix):
            return title
    raise ValueError(f"{cause.code} is of no chapter of {PAGE}")


def _overview(causes: Iterable[Cause]) -> Iterator[str]:
    yield "| what you see | what it may be |"
    yield "|--|--|"
    for cause in causes:
        if cause.symptom.startswith(UNSEEN):
            continue
        yield f"| {_line(cause.symptom)} | [{cause.code}](#{cause.code.lower()}) {_line(cause.name)} |"


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    yield "| `--only` | what holds where it is ok | what it finds |"
    yield "|--|--|--|"
    for check in checks:
        codes = ", ".join(f"[{cause.code}](#{cause.code.lower()})" for cause in check.causes)
        yield f"| `{check.name}` | {_line(check.title)} | {codes} |"


def _section(cause: Cause, checks: Sequence[str]) -> str:
    return "\n".join(
        [
            f"### {cause.code}",
            "",
            f"**{_line(cause.name)}** ({cause.severity}, found by {', '.join(f'`{name}`' for name in checks)})",
            "",
            f"- Symptom: {_line(cause.symptom)}.",
            f"- Cause: {_line(cause.cause)}.",
            f"- Cure: {_line(cause.cure)}.",
            f"- Source: {cause.source}",
        ]
    )


def _line(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|").rstrip(".")
