"""What follows from an earlier failure is not a finding of its own."""

from collections.abc import Callable, Iterable

from health.check import Cause, Check, Result, State, found, ok, skipped
from health.examination import Examined, examine
from health.observed import Observed
from tests.unit.health.facts import observed

ERROR = Cause("SM611", "down", "error", "", "", "", "")
WARNING = Cause("SM616", "odd", "warning", "", "", "", "")
FIRST = Check("first", "", (ERROR, WARNING))
SECOND = Check("second", "", (ERROR,), needs=("first",))
THIRD = Check("third", "", (ERROR,), needs=("second",))


def says(*results: Result) -> Callable[[Observed], Iterable[Result]]:
    """A check that says this whatever is seen."""
    return lambda _: results


def examined(*results: Result) -> list[Result]:
    """What becomes of results, each of its own check, in this order."""
    return list(examine(observed(), [Examined(each.check, says(each)) for each in results]))


def test_what_needs_a_check_that_failed_there_follows_from_it() -> None:
    first, second = examined(found(FIRST, ERROR, "no answer", "cluster2"), found(SECOND, ERROR, "late", "cluster2"))
    assert (second.state, second.because, second.cause) == (State.SKIPPED, first, None)
    assert second.message == "follows from SM611 at cluster2: late"


def test_what_follows_from_a_consequence_follows_from_the_first_failure() -> None:
    first, _, third = examined(
        found(FIRST, ERROR, "no answer", "cluster2"),
        found(SECOND, ERROR, "late", "cluster2"),
        found(THIRD, ERROR, "gone", "cluster2"),
    )
    assert third.because == first


def test_a_pair_follows_from_the_failure_of_either_cluster_and_of_the_same_pair_only() -> None:
    def second(first: Result, *pair: str) -> State:
        return examined(first, found(SECOND, ERROR, "", *pair))[1].state

    assert second(found(FIRST, ERROR, "", "cluster2"), "cluster1", "cluster2") is State.SKIPPED
    assert second(found(FIRST, ERROR, "", "cluster1", "cluster2"), "cluster1", "cluster2") is State.SKIPPED
    assert second(found(FIRST, ERROR, "", "cluster3"), "cluster1", "cluster2") is State.FAILED
    assert second(found(FIRST, ERROR, "", "cluster1", "cluster3"), "cluster1", "cluster2") is State.FAILED
    assert second(found(FIRST, ERROR, "", "cluster1", "cluster2"), "cluster1") is State.FAILED


def test_a_warning_explains_nothing_and_what_is_ok_stays_so() -> None:
    assert examined(found(FIRST, WARNING, "", "cluster1"), found(SECOND, ERROR, "", "cluster1"))[1].because is None
    assert examined(found(FIRST, ERROR, "", "cluster1"), ok(SECOND, "cluster1"))[1].state is State.OK


def test_what_is_skipped_where_something_it_needs_failed_keeps_its_reason() -> None:
    first, second = examined(found(FIRST, ERROR, "", "cluster1"), skipped(SECOND, "it says nothing", "cluster1"))
    assert (second.message, second.because) == ("it says nothing", first)
    assert examined(ok(FIRST, "cluster1"), skipped(SECOND, "no right", "cluster1"))[1].because is None
