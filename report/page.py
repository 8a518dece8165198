"""The page itself: the sections, each from its template, and a policy that lets nothing in but what is in it."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from health.check import State
from health.drill import Drill
from health.observed import Unknown
from health.reference import anchor
from report.clusters import blocks
from report.contents import Contents
from report.failover import FailoverPlot, failover_plot
from report.lifetimes import timeline
from report.picture import picture
from report.traffic import latency_plot, path_of, table
from report.verdicts import found, lines, untold, worst

TEMPLATES = Path(__file__).with_name("templates")
SECTIONS = (
    ("findings", "Findings"),
    ("mesh", "Mesh"),
    ("traffic", "Traffic"),
    ("certificates", "Certificates and tokens"),
    ("policy", "Policy and drift"),
    ("clusters", "Clusters"),
    ("drills", "Drills"),
    ("checks", "All checks"),
)
GLYPHS = {State.OK: "ok", State.WARNING: "warning", State.FAILED: "failed", State.SKIPPED: "skipped", None: "skipped"}


@dataclass(frozen=True)
class Section:
    """A part of the page; one with the same digest is the same.

    Attributes:
        id: its anchor.
        title: its heading.
        digest: of its text.
        html: its text.
    """

    id: str
    title: str
    digest: str
    html: Markup


def render(contents: Contents, poll_seconds: float | None = None) -> str:
    """One self-contained HTML document; whatever comes from clusters is escaped.

    Args:
        contents: what it tells.
        poll_seconds: it asks its server for a newer one at this interval; None: it never asks anybody for anything.
    """
    environment = _environment()
    results = contents.results
    facts: dict[str, Any] = {
        "contents": contents,
        "observed": contents.observed,
        "found": found(results),
        "untold": untold(results),
        "lines": lines(results),
        "counts": {state: sum(each.state is state for each in results) for state in State},
        "verdict": worst(each.state for each in results),
        "picture": picture(contents),
        "blocks": blocks(contents.observed, results),
        "timeline": timeline(contents.observed),
        "plots": _plots(contents),
        "servers": [cluster.name for cluster in contents.observed.mesh.clusters],
        **_traffic(contents),
    }
    sections = [_section(environment, id_, title, facts) for id_, title in SECTIONS]
    style, script = ((TEMPLATES / name).read_text() for name in ("style.css", "script.js"))
    return environment.get_template("page.html.j2").render(
        **facts,
        sections=[section for section in sections if section.html],
        style=Markup(style),  # noqa: S704 - from this folder
        script=Markup(script),  # noqa: S704 - from this folder
        policy=_policy(style, script, poll_seconds is not None),
        poll=None if poll_seconds is None else round(poll_seconds * 1000),
    )


def _traffic(contents: Contents) -> Mapping[str, Any]:
    matrix = contents.observed.matrix
    if isinstance(matrix, Unknown):
        return {"rows": None, "latency": None, "no_traffic": matrix.reason}
    names = [cluster.name for cluster in contents.observed.mesh.clusters]
    rows = table(matrix, names, contents.results)
    return {"rows": rows, "latency": latency_plot(matrix), "no_traffic": ""}


def _plots(contents: Contents) -> Sequence[tuple[Drill, FailoverPlot | None]]:
    drills = contents.observed.drills
    return () if isinstance(drills, Unknown) else [(drill, failover_plot(drill)) for drill in drills]


def _section(environment: Environment, id_: str, title: str, facts: Mapping[str, Any]) -> Section:
    html = environment.get_template(f"{id_}.html.j2").render(**facts).strip()
    digest = hashlib.sha256(html.encode()).hexdigest()[:16]
    return Section(id_, title, digest, Markup(html))  # noqa: S704 - just rendered with autoescape


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "px": _px,
        "ms": _ms,
        "coded": _coded,
        "anchor": anchor,
        "percent": "{:.0%}".format,
        "moment": _moment,
        "path_of": path_of,
    }
    environment.globals |= {"State": State, "glyphs": GLYPHS}
    return environment


def _policy(style: str, script: str, polls: bool) -> str:
    """The Content-Security-Policy: this style, this script, and no request but to its own server."""
    connect = "'self'" if polls else "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src {connect}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _px(length: float) -> str:
    return f"{round(length, 1):g}"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:.0f}"


def _coded(text: str) -> Markup:
    """Escaped, with what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if number % 2 else escape(part) for number, part in enumerate(parts))


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M") if at else "not known"
