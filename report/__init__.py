"""The HTML report of a mesh, from what was seen of it; pure."""
