"""An SVG document being drawn; XML is written by ElementTree, so that no text of the user's can become markup."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager


class Paper:
    """Shapes with a style class, in SVG user units.

    Args:
        title: the document's accessible name.
        desc: what a reader who cannot see it should know.
        style: the style sheet.
    """

    def __init__(self, title: str, desc: str, style: str) -> None:
        labels = {"role": "img", "aria-labelledby": "title desc"}
        self._root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **labels})
        ET.SubElement(self._root, "title", {"id": "title"}).text = title
        ET.SubElement(self._root, "desc", {"id": "desc"}).text = desc
        ET.SubElement(self._root, "style").text = style
        self._at = self._root
        self.rect("page", (0, 0, "100%", "100%"), radius=0)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """What is drawn within belongs together; ``title`` is shown on hovering."""
        outer = self._at
        self._at = ET.SubElement(outer, "g")
        ET.SubElement(self._at, "title").text = title
        try:
            yield
        finally:
            self._at = outer

    def rect(self, css: str, box: tuple[float, float, float | str, float | str], radius: float) -> None:
        """A rectangle: x, y, width and height."""
        x, y, width, height = box
        self._add("rect", css, x=x, y=y, width=width, height=height, rx=radius or None)

    def circle(self, css: str, at: tuple[float, float], radius: float, stroke: float | None = None) -> None:
        """A disc, or with ``stroke`` a ring."""
        self._add("circle", css, cx=at[0], cy=at[1], r=radius, stroke_width=stroke)

    def path(self, css: str, data: str, width: float, opacity: float | None = None) -> None:
        """A line of the given width; ``data`` as in SVG."""
        rounded = {"stroke_linecap": "round", "stroke_linejoin": "round"}
        self._add("path", css, d=data, stroke_width=width, opacity=opacity, **rounded)

    def head(self, css: str, tip: tuple[float, float], towards: int) -> None:
        """An arrow head with its tip at ``tip``, pointing right (1) or left (-1)."""
        x, y = tip
        self._add("path", css, d=f"M{x:g} {y:g}L{x - 11 * towards:g} {y - 5.5:g}L{x - 11 * towards:g} {y + 5.5:g}Z")

    def text(
        self,
        css: str,
        at: tuple[float, float],
        text: str,
        *,
        size: float,
        weight: int | None = None,
        anchor: str | None = None,
        turned: bool = False,
    ) -> None:
        """A line of text; ``turned``: it reads upwards."""
        turn = f"rotate(-90 {at[0]:g} {at[1]:g})" if turned else None
        attributes = {"font_size": size, "font_weight": weight, "text_anchor": anchor, "transform": turn}
        self._add("text", css, x=at[0], y=at[1], **attributes).text = text

    def document(self, width: float, height: float) -> str:
        """The finished document, of this size."""
        self._root.set("viewBox", f"0 0 {width:g} {height:g}")
        self._root.set("width", f"{width:g}")
        self._root.set("height", f"{height:g}")
        ET.indent(self._root, " ")
        return ET.tostring(self._root, encoding="unicode") + "\n"

    def _add(self, tag: str, css: str, **attributes: float | str | None) -> ET.Element:
        given = {
            name.replace("_", "-"): f"{round(value, 1):g}" if isinstance(value, (int, float)) else value
            for name, value in attributes.items()
            if value is not None
        }
        return ET.SubElement(self._at, tag, {"class": css, **given})
