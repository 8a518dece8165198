"""Whether the mesh works, and what is said when a fault is made: one mesh for all of this folder."""
