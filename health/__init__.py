"""Whether a mesh works: named checks of what its clusters and proxies were seen to hold; pure."""
