"""How the traffic matrix is printed."""

from collections.abc import Mapping

from rich.table import Table

from live.load.traffic import Cell, Row


def matrix_table(rows: Mapping[str, Row], clusters: list[str]) -> Table:
    """One line for each client's cluster, one column for each answering cluster."""
    table = Table(title="Answers of helloworld, by the client's cluster", show_lines=True)
    table.add_column("from \\ answered by")
    for cluster in clusters:
        table.add_column(cluster)
    table.add_column("failed")
    for name in clusters:
        row = rows[name]
        failed = "\n".join(f"{count} x {error}" for error, count in row.failures.items()) or "0"
        table.add_row(name, *(_cell(row.cells.get(c)) for c in clusters), failed)
    return table


def _cell(cell: Cell | None) -> str:
    if cell is None or not cell.answers:
        return "-"
    versions = ", ".join(f"{count} x {version}" for version, count in sorted(cell.versions.items()))
    hops = "\n".join(f"via {hop}" for hop in sorted(cell.hops, key=str))
    return f"{versions}\n{hops}" if hops else versions
