"""Every check of a running mesh, in the order in which they are made: cheapest first, and after those they need."""

from health.checks import control_planes
from health.examination import Examined

CHECKS: tuple[Examined, ...] = (*control_planes.EXAMINED,)
