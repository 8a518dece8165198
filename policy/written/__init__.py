"""The objects that the stack's typed helpers and declared Services stand for."""

from topology import Mesh
from topology.facts import chosen
from topology.policy import Canary, CanaryItem, LocalityFailover, LocalityFailoverItem, Narrowed

from policy.document import Document
from policy.written.services import stub
from policy.written.traffic import traffic_policy

__all__ = ["stub", "traffic_policy", "written"]
