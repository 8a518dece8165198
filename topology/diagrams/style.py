"""Colours and type of the SVG, for light and dark; every text has a contrast of at least 4.5 to what it stands on."""

_LIGHT = {
    "page": "#ffffff",
    "ink": "#16202e",
    "muted": "#4d5b6e",
    "network": "#f3f6fa",
    "network-line": "#b6c2d2",
    "card": "#ffffff",
    "card-line": "#c9d3df",
    "gateway": "#dff1e6",
    "gateway-line": "#2c7a50",
    "gateway-ink": "#14532d",
    "cross": "#c2410c",
    "flat": "#0f766e",
    "band": "#fde9dc",
    "hub": "#c2410c",
    "hub-ink": "#ffffff",
    "empty": "#e3e8ef",
}
_DARK = {
    "page": "#0f1620",
    "ink": "#e8eef6",
    "muted": "#a3b1c2",
    "network": "#17212e",
    "network-line": "#3b4a5e",
    "card": "#1e2a39",
    "card-line": "#405066",
    "gateway": "#163526",
    "gateway-line": "#4ade80",
    "gateway-ink": "#bbf7d0",
    "cross": "#fb923c",
    "flat": "#2dd4bf",
    "band": "#40271a",
    "hub": "#fb923c",
    "hub-ink": "#1b1206",
    "empty": "#2a3747",
}
# One for each hub's line: distinct also for those who do not tell red from green.
_LINES = (("#c2410c", "#fb923c"), ("#1d4ed8", "#7aa7ff"), ("#7e22ce", "#d8a4ff"), ("#a16207", "#facc15"))
HUB_LINES = len(_LINES)

_RULES = """.page { fill: %(page)s }
.ink { fill: %(ink)s }
.muted { fill: %(muted)s }
.network { fill: %(network)s; stroke: %(network-line)s }
.card { fill: %(card)s; stroke: %(card-line)s }
.gateway { fill: %(gateway)s; stroke: %(gateway-line)s }
.gateway-ink { fill: %(gateway-ink)s }
.wire { stroke: %(gateway-line)s; fill: none }
.cross { stroke: %(cross)s; fill: none }
.cross-fill { fill: %(cross)s }
.band { stroke: %(band)s; fill: none }
.flat { stroke: %(flat)s; fill: none }
.flat-fill { fill: %(flat)s }
.flat-ink { fill: %(flat)s }
.hub { fill: %(hub)s }
.hub-ink { fill: %(hub-ink)s }
.empty { fill: %(empty)s }
.station { fill: %(page)s }"""


def style() -> str:
    """The style sheet: light, and dark where the reader's system asks for it."""
    light = _RULES % _LIGHT + "".join(
        f"\n.line{n} {{ stroke: {pair[0]}; fill: none }}" for n, pair in enumerate(_LINES)
    )
    dark = _RULES % _DARK + "".join(f"\n.line{n} {{ stroke: {pair[1]}; fill: none }}" for n, pair in enumerate(_LINES))
    font = 'text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }'
    return f"\n{font}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
