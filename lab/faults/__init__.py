"""Faults of networks and machines, made for a while: how a lab shows what a mesh does when something breaks."""
