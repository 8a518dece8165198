"""The traffic matrix as a table, and the distribution of its latencies as a plot."""

from collections.abc import Sequence
from dataclasses import dataclass

from health.check import Result, State
from health.matrix import Cell, Matrix, Row
from report.scale import Tick, milliseconds_axis
from report.verdicts import Places

MOST_ROWS = 24  # of the latency plot
MOST_DOTS = 60  # of one of its rows
LABELS, NUMBERS, RIGHT, TOP, ROW = 190, 800, 790, 26, 26
SHADES = 5


@dataclass(frozen=True)
class TableCell:
    """What the client of one cluster got from the servers of another, in words.

    Attributes:
        server: Istio's name of the answering cluster.
        state: what the checks say of the pair; None: nothing.
        cell: the answers.
        share: of all the client's requests, 0 to 1.
        shade: 0 to 5, by the share.
        path: ``gateway``, ``pod``, ``gateway and pod``, or empty where it is not known.
        identity: ``proven``, or what is missing.
    """

    server: str
    state: State | None
    cell: Cell
    share: float
    shade: int
    path: str
    identity: str

    @property
    def proven(self) -> bool:
        """Whether both ends proved who they are."""
        return self.identity == "both proven"


@dataclass(frozen=True)
class TableRow:
    """What the client of one cluster got."""

    row: Row
    cells: tuple[TableCell, ...]
    failed: int


def table(matrix: Matrix, servers: Sequence[str], results: Sequence[Result]) -> tuple[TableRow, ...]:
    """The matrix, a row for each client and a cell for each of ``servers``."""
    places = Places(results)
    return tuple(
        TableRow(
            row,
            tuple(_cell(row, row.cells.get(s, Cell()), s, places.state(row.client, s)) for s in servers),
            row.failures.total(),
        )
        for row in matrix.values()
    )


def _cell(row: Row, cell: Cell, server: str, state: State | None) -> TableCell:
    share = cell.answers / row.sent if row.sent else 0
    shade = 0 if not cell.answers else min(SHADES, 1 + int(share * SHADES))
    return TableCell(server, state, cell, share, shade, path_of(cell), _identity(cell))


def path_of(cell: Cell) -> str:
    """By what kind of hop the requests left: ``gateway``, ``pod`` or both; empty: not known."""
    kinds = {"gateway" if hop in cell.gateways else "pod" for hop, count in cell.hops.items() if count}
    return " and ".join(sorted(kinds))


def _identity(cell: Cell) -> str:
    if cell.client and cell.server:
        return "both proven"
    missing = [end for end, identity in (("client", cell.client), ("server", cell.server)) if not identity]
    return f"{' and '.join(missing)} not proven"


@dataclass(frozen=True)
class Distribution:
    """One row of the latency plot; lengths in SVG user units.

    Attributes:
        client: Istio's name of the client's cluster.
        server: likewise of the answering one.
        y: the row's middle.
        dots: x of each answer, or of as many quantiles as there is room for.
        answers: how many answers.
        p50: median in milliseconds.
        p99: 99th percentile in milliseconds.
        p50_x: where the median stands.
        p99_x: where the 99th percentile stands.
    """

    client: str
    server: str
    y: float
    dots: tuple[float, ...]
    answers: int
    p50: float
    p99: float
    p50_x: float
    p99_x: float


@dataclass(frozen=True)
class LatencyPlot:
    """The latencies of the cells, the slowest first where there are too many for all of them."""

    rows: tuple[Distribution, ...]
    ticks: tuple[Tick, ...]
    height: float
    left_out: int


def latency_plot(matrix: Matrix) -> LatencyPlot | None:
    """The plot; None where there was no answer."""
    cells = [
        (row.client, server, cell) for row in matrix.values() for server, cell in row.cells.items() if cell.answers
    ]
    if not cells:
        return None
    if len(cells) > MOST_ROWS:
        shown = sorted(cells, key=lambda each: each[2].quantile(0.99), reverse=True)[:MOST_ROWS]
    else:
        shown = cells
    scale, ticks = milliseconds_axis([ms for _, _, cell in shown for ms in cell.milliseconds], LABELS, RIGHT)
    rows = []
    for number, (client, server, cell) in enumerate(shown):
        ordered = sorted(cell.milliseconds)
        count = min(MOST_DOTS, len(ordered))
        step = (len(ordered) - 1) / max(1, count - 1)
        dots = [scale.x(ordered[round(n * step)]) for n in range(count)]
        p50, p99 = cell.quantile(0.5), cell.quantile(0.99)
        y = TOP + ROW * (number + 0.5)
        rows.append(Distribution(client, server, y, tuple(dots), cell.answers, p50, p99, scale.x(p50), scale.x(p99)))
    return LatencyPlot(tuple(rows), ticks, TOP + ROW * len(rows) + 8, len(cells) - len(shown))
