"""`istioctl analyze`, shown all policy of one cluster at a time: this stack's, and what others have there.

Without a cluster to ask it leaves out by itself whatever needs Services, pods or Secrets.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from judges.rules import ANALYSED, ANALYSIS, FALSE_ALARMS, OF_LIVE, WARNED
from judges.running import run
from judges.written_out import WrittenOut
from policy.finding import Finding, at
from policy.world import Live, Placed, World
from policy.written import is_stub

LEVELS = {"Error": ANALYSED, "Warning": WARNED}


def analyse(program: Path, world: World, placed: Sequence[Placed], clusters: Sequence[str]) -> Iterator[Finding]:
    """What `istioctl analyze` objects to, for each set of clusters that looks the same to it.

    Args:
        program: istioctl.
        world: what is live in the clusters that were asked.
        placed: the policy of these clusters.
        clusters: those that run this version of Istio; none: one place without a name, of which nothing is known.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be run.
        ValueError: it ended without a verdict.
    """
    alike: dict[str, tuple[str, ...]] = {}
    views: dict[str, tuple[list[Placed], Live | None]] = {}
    for cluster in clusters or ("",):
        here = [each for each in placed if not cluster or cluster in each.clusters]
        view = here, world.live.get(cluster)
        key = repr(([id(each.document) for each in here], view[1].others if view[1] else None))
        alike[key] = (*alike.get(key, ()), cluster)
        views[key] = view
    for key, names in alike.items():
        of = tuple(name for name in names if name) if len(alike) > 1 else ()
        yield from _one(program, *views[key], of)


def _one(program: Path, placed: Sequence[Placed], live: Live | None, clusters: tuple[str, ...]) -> Iterator[Finding]:
    documents = [each.document for each in placed if not is_stub(each.document)]
    if not documents:
        return
    with tempfile.TemporaryDirectory(prefix="spanmesh-") as folder:
        written = WrittenOut(Path(folder), documents)
        context = written.further("others", [dict(each) for each in live.others] if live else [])
        ran = run(
            program, "analyze", "--use-kube=false", "--all-namespaces", "--output=json", *_names(written, context)
        )
        for message in _messages(ran):
            code = message["code"]
            rule = LEVELS.get(message["level"])
            if rule is None or code in FALSE_ALARMS or (live is None and code in OF_LIVE):
                continue
            if place := written.place(message.get("reference", "")):
                document, path = place
                said = f"istioctl analyze: {code} {message['message'].rstrip('.')}"
                yield at(document, path, rule, said, clusters, cure=f"See {ANALYSIS}{code.lower()}/")


def _names(written: WrittenOut, context: Path) -> list[str]:
    return [str(path) for path in (*written.files, context)]


def _messages(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    text = ran.stdout.strip()
    # Its log may stand before it.
    start = text.find("[\n")
    if start < 0:
        # Without anything to say it prints nothing; a document that it cannot read is told on the other stream.
        if ran.returncode and "files" not in ran.stderr:
            raise ValueError(f"analyze: {(ran.stderr.strip() or text)[-500:]}")
        return []
    said = json.JSONDecoder().raw_decode(text, start)[0]
    return [each for each in said if isinstance(each, dict)]
