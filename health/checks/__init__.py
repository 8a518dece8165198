"""Every check of a running mesh, in the order in which they are made: cheapest first, and after those they need."""

from health.check import Check
from health.checks import (
    control_planes,
    drills,
    endpoints,
    gateway_doors,
    gateway_istiods,
    gateway_ports,
    gateways,
    identity,
    live_destinations,
    live_policy,
    proxies,
    remote_secrets,
    remote_sync,
    remote_tokens,
    request,
    services,
    traffic,
    trust,
)
from health.examination import Examined

CHECKS: tuple[Examined, ...] = (
    *control_planes.EXAMINED,
    *identity.EXAMINED,
    *remote_secrets.EXAMINED,
    *remote_tokens.EXAMINED,
    *remote_sync.EXAMINED,
    *trust.EXAMINED,
    *gateways.EXAMINED,
    *gateway_ports.EXAMINED,
    *gateway_doors.EXAMINED,
    *gateway_istiods.EXAMINED,
    *proxies.EXAMINED,
    *endpoints.EXAMINED,
    *services.EXAMINED,
    *live_policy.EXAMINED,
    *live_destinations.EXAMINED,
)
# What the probe's requests got.
TRAFFIC: tuple[Examined, ...] = (*traffic.EXAMINED,)
# What clients felt of disruptions made on purpose.
DRILLS: tuple[Examined, ...] = (*drills.EXAMINED,)
# Also those that judge more than what was observed, as the traffic: what docs/troubleshooting.md is written from.
EVERY_CHECK: tuple[Check, ...] = (*(each.check for each in (*CHECKS, *TRAFFIC, *DRILLS)), request.EXPLAIN)
