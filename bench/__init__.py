"""Figures: previews, updates, checks of policy, its propagation, and failover."""
