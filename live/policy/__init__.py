"""Declared policy held against running clusters: what they hold, what is others', and what they would refuse."""

from live.policy import dry_run as _dry_run
from live.policy import owners as _owners
from live.policy import withdrawn_subsets as _withdrawn_subsets
from live.policy.judgement import Judgement, judge
from live.policy.reading import Held, Readings, read_all, read_live

RULES = (*_dry_run.RULES, *_owners.RULES, *_withdrawn_subsets.RULES)

__all__ = ["RULES", "Held", "Judgement", "Readings", "judge", "read_all", "read_live"]
