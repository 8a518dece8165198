"""A cluster that has nothing of Istio, not even its types; so it comes before the others that use the third region."""

import pytest
import yaml

from lab import Lab
from live.kubeconfig import ClusterAccess
from live.policy import Judgement, judge, read_all
from policy.document import parse
from policy.world import Placed

pytestmark = pytest.mark.lab
REFUSED_BY_ISTIOD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}, weight: -1}]}]}
"""


def test_it_has_nothing_to_say_of_policy(three_regions: Lab) -> None:
    bare = {"cluster3": ClusterAccess("cluster3", yaml.safe_load(three_regions.kubeconfig("cluster3").read_text()))}
    policy = [Placed(document, ("cluster3",)) for document in parse(REFUSED_BY_ISTIOD, "policies/reviews.yaml")]
    assert judge(bare, "bare", policy, read_all(bare, "bare", policy), frozenset()) == Judgement()
