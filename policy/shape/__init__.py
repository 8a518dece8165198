"""The shape of policy: every document against the types that the CRDs of Istio and of the Gateway API publish."""

from policy.shape.rules import RULES, TYPES_MISSING, types_missing
from policy.shape.types import Types

__all__ = ["RULES", "TYPES_MISSING", "Types", "types_missing"]
