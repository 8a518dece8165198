"""One object that is not as it should be."""

from dataclasses import dataclass
from typing import Literal

from live.drift.comparison import Difference

State = Literal["missing", "different", "extra"]


@dataclass(frozen=True)
class Deviation:
    """One object of one cluster that is not as it should be.

    Attributes:
        source: what says how it should be: ``policy/file.yaml:12`` or ``Helm release istiod``.
        api_version: its apiVersion.
        kind: its kind.
        namespace: its namespace; empty where it has none.
        name: its name.
        state: ``missing``: not there; ``different``; ``extra``: it carries the stack's label, and is not declared.
        cure: what to do.
        differences: of a different one, every field.
        diff: of a different one, declared to live as a unified diff of YAML.
    """

    source: str
    api_version: str
    kind: str
    namespace: str
    name: str
    state: State
    cure: str
    differences: tuple[Difference, ...] = ()
    diff: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
