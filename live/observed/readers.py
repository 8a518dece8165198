"""The tokens by which other clusters read one."""

from health.observed import Reader
from live.observed.asked import Asked
from live.remote_access.tokens import tokens_of_readers


def read(asked: Asked) -> tuple[Reader, ...]:
    """The tokens of every reader, by reader and age.

    Needs the right to list Secrets of istio-system, which docs/verification-rights.yaml does not give: cacerts lies
    there too.
    """
    return tuple(
        Reader(token.reader, token.secret, token.created, token.last_used, token.expires, token.sha256)
        for token in tokens_of_readers(asked.core)
    )
