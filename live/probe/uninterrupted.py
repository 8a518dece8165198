"""What has to be done to its end, whatever the user presses."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted(told: Callable[[], None]) -> Iterator[None]:
    """Go on through Ctrl-C and SIGTERM while the block runs; whatever is in it has its own time limit.

    Args:
        told: called at each signal, to say what is still being done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, lambda *_: told()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
