"""What others say of policy: the types that Istio publishes, and Istio's own command line."""

from judges.charts import types_of
from judges.istioctl import RULES, Opinion, second_opinion
from judges.shapes import Shapes, shapes_of

__all__ = ["RULES", "Opinion", "Shapes", "second_opinion", "shapes_of", "types_of"]
