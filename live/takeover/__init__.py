"""Taking over the Istio of another installer: its charts' objects, its gateways with their traffic, remote Secrets."""
