"""Pictures of a declared mesh, as text: a Mermaid flowchart and a self-contained SVG; the same for the same mesh."""

from topology.diagrams.mermaid import to_mermaid
from topology.diagrams.svg import to_svg

__all__ = ["to_mermaid", "to_svg"]
