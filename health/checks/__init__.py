"""Every check of a running mesh, in the order in which they are made: cheapest first, and after those they need."""

from health.checks import control_planes, identity, remote_secrets, remote_sync, remote_tokens, trust
from health.examination import Examined

CHECKS: tuple[Examined, ...] = (
    *control_planes.EXAMINED,
    *identity.EXAMINED,
    *remote_secrets.EXAMINED,
    *remote_tokens.EXAMINED,
    *remote_sync.EXAMINED,
    *trust.EXAMINED,
)
