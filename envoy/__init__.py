"""A proxy's configuration and its access log, as Envoy and Istio write them; pure."""
