"""The words in a diagram, and the room that they take."""

import unicodedata

from topology.defaults import istio_of
from topology.model import Cluster, Mesh


def facts_of(mesh: Mesh, cluster: Cluster) -> tuple[str, str]:
    """Two short lines about a cluster: where it is, and what runs there; the first may be empty."""
    where = " · ".join(text for text in (cluster.region, cluster.cloud) if text)
    what = f"Istio {istio_of(mesh, cluster).version}" + (f" · group {cluster.group}" if cluster.group else "")
    return where, what


def text_width(text: str, size: float, bold: bool = False) -> float:
    """About how many pixels wide a text is in a sans-serif font of ``size`` pixels; rather too many."""
    em = sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.84 if char in "MWmw@%" else 0.6 for char in text)
    return em * size * (1.06 if bold else 1.0)


def shortened(text: str, size: float, width: float, bold: bool = False) -> str:
    """``text``, or its beginning and an ellipsis where it is wider than ``width`` pixels."""
    if text_width(text, size, bold) <= width:
        return text
    kept = text
    while kept and text_width(f"{kept}…", size, bold) > width:
        kept = kept[:-1]
    return f"{kept}…"
