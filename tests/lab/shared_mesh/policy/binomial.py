"""The statistical bound on a share: how far chance alone may carry a count."""

import math

# A right share lies outside the bounds once in a million runs.
CHANCE = 1e-6


def bounds(number: int, share: float, chance: float = CHANCE) -> tuple[int, int]:
    """Fewest and most hits that are still believed: the exact two-sided binomial interval, half the chance a side.

    Args:
        number: how many requests, each of them independent of the others, as Envoy draws a weighted cluster.
        share: probability of a hit for each, from 0 to 1, both excluded.
        chance: how probable a count outside the bounds may be.
    """
    probabilities = [_probability(number, share, hits) for hits in range(number + 1)]
    return _tail(probabilities, chance / 2), number - _tail(probabilities[::-1], chance / 2)


def _probability(number: int, share: float, hits: int) -> float:
    ways = math.lgamma(number + 1) - math.lgamma(hits + 1) - math.lgamma(number - hits + 1)
    return math.exp(ways + hits * math.log(share) + (number - hits) * math.log1p(-share))


def _tail(probabilities: list[float], chance: float) -> int:
    """How many counts from the start have, all together, at most this chance."""
    total = 0.0
    for hits, probability in enumerate(probabilities):
        total += probability
        if total > chance:
            return hits
    return len(probabilities)
