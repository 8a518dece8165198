"""Reads from running clusters what health/ judges; changes nothing."""
