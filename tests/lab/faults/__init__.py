"""Faults of runs, clusters, networks and gateways: what is seen, what is lost, how it mends (docs/reliability.md)."""
