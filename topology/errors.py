"""Errors of a declared mesh: each names the key, the cause and the cure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the declared mesh.

    Attributes:
        key: path of the key as the user wrote it, for example ``spanmesh:mesh.clusters[1].apiServer``.
        cause: what is wrong.
        cure: what to write instead.
    """

    key: str
    cause: str
    cure: str

    def __str__(self) -> str:
        return f"{self.key}: {self.cause}. {self.cure}"


class MeshConfigError(ValueError):
    """The declared mesh cannot be used; raised before anything is touched.

    Attributes:
        problems: everything found wrong, in the order of the file.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{count} in the stack's configuration:\n" + "\n".join(f"  - {p}" for p in problems))
