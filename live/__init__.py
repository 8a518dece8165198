"""Reads running clusters."""
