"""What a load balancer does not do."""


class RefusedError(Exception):
    """A Service asks for something that these load balancers do not do; the message goes into an Event."""
