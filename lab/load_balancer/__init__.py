"""The load balancers of a region: a Kubernetes controller that runs on the region's router."""
