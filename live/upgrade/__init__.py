"""Upgrades of Istio: what is installed, whose CRDs are whose, rollouts, and workloads with other proxies."""
