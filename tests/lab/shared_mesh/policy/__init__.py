"""Mirrored policy, proven with traffic: one mesh for all of this folder, its policy changed from file to file."""
