"""What is asked of single pods: a command, a log, a port, their proxy, why they are not ready."""
