"""What is declared, or was installed by Helm, held against what the clusters hold now; nothing is changed."""

from live.drift.clusters import ClusterDrift, Expected, drift_of
from live.drift.comparison import Difference
from live.drift.deviation import Deviation

__all__ = ["ClusterDrift", "Deviation", "Difference", "Expected", "drift_of"]
