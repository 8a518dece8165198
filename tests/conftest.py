"""What all tests have in common."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start: a shell that puts tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
