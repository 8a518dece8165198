"""The shape of policy: every document against the types that the CRDs of Istio and of the Gateway API publish."""

from policy.shape.rules import RULES
from policy.shape.types import Shape, Types

__all__ = ["RULES", "Shape", "Types"]
