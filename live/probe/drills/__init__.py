"""Disruptions made on purpose, watched from a client of the probe, and undone."""

from live.probe.drills.order import DRILLS, drills

__all__ = ["DRILLS", "drills"]
