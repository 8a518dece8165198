"""The bound by which the lab's tests judge a canary's share, against sums of exact fractions."""

from fractions import Fraction
from math import comb

import pytest

from tests.lab.shared_mesh.policy.binomial import bounds


def outside(number: int, share: Fraction, hits: range) -> Fraction:
    return sum((comb(number, k) * share**k * (1 - share) ** (number - k) for k in hits), Fraction(0))


@pytest.mark.parametrize(("number", "percent"), [(2000, 20), (1000, 80), (200, 1), (10, 50)])
def test_as_much_is_outside_as_chance_may_carry_and_no_count_more(number: int, percent: int) -> None:
    share, half = Fraction(percent, 100), Fraction(1, 2_000_000)
    fewest, most = bounds(number, percent / 100)
    assert outside(number, share, range(fewest)) <= half < outside(number, share, range(fewest + 1))
    assert outside(number, share, range(most + 1, number + 1)) <= half < outside(number, share, range(most, number + 1))


def test_a_share_of_20_percent_is_told_from_the_shares_of_a_canary_that_does_not_work() -> None:
    fewest, most = bounds(2000, 0.2)
    assert fewest > 0.15 * 2000
    assert most < 0.25 * 2000
