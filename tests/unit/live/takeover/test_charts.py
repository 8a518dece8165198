"""What stands in the way of an istiod, by the names that its chart gives."""

from live.takeover.charts import OF_BASE, of_istiod
from topology.defaults import NAMESPACE
from topology.revisions import Revision


def test_every_revision_has_objects_of_its_own_names_in_a_release_of_its_own() -> None:
    plain, named = of_istiod(Revision("default", "1.30.5")), of_istiod(Revision("1-31-2", "1.31.2"))
    assert [each.kind for each in plain] == [each.kind for each in named]
    assert {each.release for each in plain} == {"istiod"}
    assert {each.release for each in named} == {"istiod-1-31-2"}
    assert not {str(each) for each in plain} & {str(each) for each in named}
    assert {each.release for each in OF_BASE} == {"istio-base"}
    # As the charts of 1.22.3 and current render them.
    assert {
        f"ConfigMap {NAMESPACE}/istio-1-31-2",
        f"ClusterRole istiod-clusterrole-1-31-2-{NAMESPACE}",
        "MutatingWebhookConfiguration istio-sidecar-injector-1-31-2",
        f"ValidatingWebhookConfiguration istio-validator-1-31-2-{NAMESPACE}",
        f"Deployment {NAMESPACE}/istiod-1-31-2",
    } <= {str(each) for each in named}
