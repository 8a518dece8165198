"""The HTML report of a mesh, from what was seen of it; pure but for its own templates."""

from report.contents import Contents, Drift, DriftedObject
from report.page import render

__all__ = ["Contents", "Drift", "DriftedObject", "render"]
