"""The trust that running clusters hold: what signs, and which roots every proxy trusts."""
