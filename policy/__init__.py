"""The mesh's Istio policy: read, placed in clusters, written for the common jobs, and checked. Pure but for files."""
