"""A support bundle of a running mesh: everything that tells what it does, and nothing by which it could be entered."""
