"""What the presets of clouds add to a gateway, what they refuse, and that their files and their page are whole."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from topology.clouds import (
    Cloud,
    CloudError,
    address_kind,
    cloud,
    cloud_names,
    cloud_problems,
    restricted,
    unknown_cloud,
    with_cloud,
)
from topology.clouds.page import page
from topology.clouds.preset import parsed
from topology.clouds.settings import settings_of
from topology.gateway import Gateway, Ingress

AT = "spanmesh:mesh.clusters[0].eastWest"
CASES = yaml.safe_load(Path(__file__).with_name("bad_clouds.yaml").read_text())
DOCS = Path(__file__).parents[3] / "docs"
AWS = "service.beta.kubernetes.io/aws-load-balancer-"
ALIBABA = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"


def gateway_of(case: dict[str, Any]) -> Gateway:
    return (Ingress if case.get("ingress") else Gateway).model_validate(case["gateway"])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_a_cloud_cannot_do_is_refused_with_key_cause_cure_and_source(case: dict[str, Any]) -> None:
    problems = list(cloud_problems(AT, cloud(case["cloud"]), gateway_of(case)))
    at_key = [str(problem) for problem in problems if problem.key == f"{AT}.{case['key']}"]
    assert at_key, [str(problem) for problem in problems]
    assert any(all(text in problem for text in case["says"]) for problem in at_key), at_key


@pytest.mark.parametrize("name", cloud_names())
def test_every_rule_has_a_gateway_that_breaks_it(name: str) -> None:
    preset = cloud(name)
    broken = {
        index
        for case in CASES
        if case["cloud"] == name
        for index, rule in enumerate(preset.rules)
        if any(
            rule.refusals(settings_of(AT, with_cloud(preset, gateway_of(case)), preset.older_prefixes)),
        )
    }
    assert [rule.statement() for index, rule in enumerate(preset.rules) if index not in broken] == []


@pytest.mark.parametrize("name", cloud_names())
def test_every_refusal_ends_with_its_source(name: str) -> None:
    preset = cloud(name)
    urls = {source.url for source in preset.sources.values()}
    for case in CASES:
        if case["cloud"] == name:
            for problem in cloud_problems(AT, preset, gateway_of(case)):
                assert "write `cloud:" in problem.cure or problem.cure.rpartition(" (")[2].rstrip(")") in urls


# What the examples of the files, which docs/clouds.md shows, come to.
EXAMPLES = [
    ("aks", None, [], "ip"),
    ("alibaba-ack", "alibabacloud.com/nlb", [], "hostname"),
    ("aws-nlb", "service.k8s.aws/nlb", [f"{AWS}scheme", f"{AWS}nlb-target-type"], "hostname"),
    ("bare-metal", None, [], "ip"),
    ("gke", None, ["cloud.google.com/l4-rbs"], "ip"),
    ("huawei-cce", None, [], "ip"),
    ("tencent-tke", None, [], "hostname"),
]


@pytest.mark.parametrize(("name", "load_balancer_class", "added", "kind"), EXAMPLES)
def test_the_example_of_a_cloud_passes_and_restricts_who_comes(
    name: str, load_balancer_class: str | None, added: list[str], kind: str
) -> None:
    preset = cloud(name)
    whole = with_cloud(preset, preset.example)
    assert list(cloud_problems(AT, preset, preset.example)) == []
    assert whole.load_balancer_class == load_balancer_class
    assert sorted(set(whole.annotations) - set(preset.example.annotations)) == sorted(added)
    assert address_kind(preset, preset.example) == kind
    assert restricted(preset, preset.example)


def test_every_cloud_has_an_example_here() -> None:
    assert [name for name, *_ in EXAMPLES] == cloud_names()


# Other ways of the same clouds that have to pass.
GOOD = [
    ("huawei-cce", {"annotations": {"kubernetes.io/elb.id": "a"}}),
    ("huawei-cce", {"annotations": {"kubernetes.io/elb.autocreate": '{"type":"inner","name":"east-west"}'}}),
    ("huawei-cce", {"type": "NodePort", "annotations": {"traffic.istio.io/nodeSelector": "{}"}}),
    ("alibaba-ack", {}),
    (
        "alibaba-ack",
        {"annotations": {f"{ALIBABA}acl-status": "on", f"{ALIBABA}acl-id": "acl-1", f"{ALIBABA}acl-type": "white"}},
    ),
    ("alibaba-ack", {"loadBalancerClass": "alibabacloud.com/nlb", "annotations": {f"{ALIBABA}id": "nlb-1"}}),
    ("tencent-tke", {"annotations": {"service.kubernetes.io/tke-existed-lbid": "lb-1"}}),
    ("tencent-tke", {"annotations": {"service.kubernetes.io/qcloud-loadbalancer-internal-subnetid": "subnet-1"}}),
    ("aws-nlb", {}),
    ("aws-nlb", {"annotations": {f"{AWS}type": "external"}}),
    (
        "aws-nlb",
        {
            "sourceRanges": ["203.0.113.12/32"],
            "annotations": {
                f"{AWS}nlb-target-type": "ip",
                f"{AWS}target-group-attributes": "preserve_client_ip.enabled=true",
                f"{AWS}healthcheck-port": "15021",
            },
        },
    ),
    ("gke", {"loadBalancerClass": "networking.gke.io/l4-regional-internal"}),
    ("gke", {"annotations": {"networking.gke.io/load-balancer-type": "Internal"}}),
    ("aks", {"annotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}}),
    ("aks", {"annotations": {"service.beta.kubernetes.io/port_15021_no_lb_rule": "true"}}),
    ("bare-metal", {"type": "ClusterIP", "externalIPs": ["203.0.113.1"]}),
    ("bare-metal", {"annotations": {"metallb.universe.tf/loadBalancerIPs": "203.0.113.1, 2001:db8::1"}}),
]


@pytest.mark.parametrize(("name", "declared"), GOOD)
def test_what_a_cloud_can_do_passes(name: str, declared: dict[str, Any]) -> None:
    assert [str(p) for p in cloud_problems(AT, cloud(name), Gateway.model_validate(declared))] == []


def test_the_users_annotations_lie_over_the_presets() -> None:
    given = Gateway(annotations={f"{AWS}scheme": "internal", "example.com/team": "mesh"}, load_balancer_class="a/b")
    whole = with_cloud(cloud("aws-nlb"), given)
    assert whole.annotations == {
        f"{AWS}scheme": "internal",
        f"{AWS}nlb-target-type": "instance",
        "example.com/team": "mesh",
    }
    assert whole.load_balancer_class == "a/b"


def test_an_internal_load_balancer_asked_for_in_the_old_way_is_not_made_public() -> None:
    given = Gateway(annotations={f"{AWS}internal": "true"})
    whole = with_cloud(cloud("aws-nlb"), given)
    assert f"{AWS}scheme" not in whole.annotations
    assert restricted(cloud("aws-nlb"), given)
    internal = Gateway(annotations={"cloud.google.com/load-balancer-type": "Internal"})
    assert "cloud.google.com/l4-rbs" not in with_cloud(cloud("gke"), internal).annotations


@pytest.mark.parametrize("name", cloud_names())
def test_laying_a_preset_under_twice_changes_nothing_more(name: str) -> None:
    once = with_cloud(cloud(name), cloud(name).example)
    assert with_cloud(cloud(name), once) == once


def test_a_service_that_is_no_load_balancer_gets_nothing() -> None:
    given = Gateway(type="NodePort")
    assert with_cloud(cloud("aws-nlb"), given) == given


def test_tls_may_end_at_the_load_balancer_of_an_ingress_gateway_only() -> None:
    annotations = {f"{AWS}ssl-cert": "arn:aws:acm:eu-west-1:1:certificate/a"}
    preset = cloud("aws-nlb")
    assert [p.key for p in cloud_problems(AT, preset, Gateway(annotations=annotations))] == [
        f'{AT}.annotations["{AWS}ssl-cert"]'
    ]
    ingress = Ingress(annotations=annotations)
    assert list(cloud_problems(AT, preset, ingress)) == []
    assert isinstance(with_cloud(preset, ingress), Ingress)


@pytest.mark.parametrize(
    ("name", "declared", "closed"),
    [
        ("huawei-cce", {"annotations": {"kubernetes.io/elb.id": "a"}}, False),
        ("aws-nlb", {}, False),
        ("aws-nlb", {"annotations": {f"{AWS}security-groups": "sg-1"}}, True),
        ("gke", {"loadBalancerClass": "networking.gke.io/l4-regional-internal"}, True),
        ("tencent-tke", {"annotations": {"service.cloud.tencent.com/security-groups": "sg-1"}}, True),
        ("alibaba-ack", {"annotations": {f"{ALIBABA}acl-status": "off", f"{ALIBABA}acl-type": "white"}}, False),
        ("alibaba-ack", {"annotations": {f"{ALIBABA}acl-status": "on", f"{ALIBABA}acl-type": "black"}}, False),
    ],
)
def test_who_comes_in_is_told_by_the_clouds_own_means(name: str, declared: dict[str, Any], closed: bool) -> None:
    assert restricted(cloud(name), Gateway.model_validate(declared)) is closed


def test_an_unknown_cloud_is_told_the_nearest_one() -> None:
    cause, cure = unknown_cloud("huawei")
    assert "'huawei'" in cause
    assert "Did you mean `huawei-cce`?" in cure
    assert "Did you mean" not in unknown_cloud("zzz")[1]
    assert all(name in unknown_cloud("zzz")[1] for name in cloud_names())


def sound(**changes: Any) -> str:
    declared = {
        "title": "Sound",
        "sources": {"a": {"by": "vendor", "url": "https://example.com/"}},
        "prefixes": ["example.com/"],
        "addresses": [{"kind": "ip", "source": "a"}],
        "facts": [{"about": "address", "says": "An IP", "source": "a"}],
        "example": {},
    }
    return yaml.safe_dump({**declared, **changes})


RULE = {"rule": "never", "of": ["example.com/x"], "because": "it does no good", "cure": "Remove it", "source": "a"}
BROKEN = [
    ("a misspelt key", {"titel": "x"}, "titel"),
    ("no source", {"sources": {}}, "sources"),
    (
        "a source that nobody has",
        {"facts": [{"about": "access", "says": "Closed", "source": "b"}]},
        "no such source: b",
    ),
    (
        "a source that nothing cites",
        {"sources": {key: {"by": "code", "url": "https://example.com/"} for key in "ab"}},
        "nothing cites the source b",
    ),
    ("a page that is no address", {"sources": {"a": {"by": "vendor", "url": "example.com"}}}, "sources.a.url"),
    ("an unknown kind of rule", {"rules": [{**RULE, "rule": "nevr"}]}, "nevr"),
    ("a rule without a cure", {"rules": [{k: v for k, v in RULE.items() if k != "cure"}]}, "cure"),
    ("a misspelt key of a gateway", {"rules": [{**RULE, "of": ["sourceRange"]}]}, "sourceRange"),
    ("another cloud's annotation", {"rules": [{**RULE, "of": ["kubernetes.io/elb.id"]}]}, "kubernetes.io/elb.id"),
    ("a condition on nothing known", {"rules": [{**RULE, "when": {"typ": True}}]}, "typ"),
    (
        "no address that always holds",
        {"addresses": [{"when": {"type": True}, "kind": "ip", "source": "a"}]},
        "addresses",
    ),
    ("an example with an unknown key", {"example": {"anotations": {}}}, "anotations"),
]


def test_a_sound_file_is_read() -> None:
    assert isinstance(parsed("sound", sound(rules=[RULE])), Cloud)


@pytest.mark.parametrize(("changes", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_file_of_a_cloud_fails_by_its_name(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(CloudError) as broken:
        parsed("broken", sound(**changes))
    assert "topology/clouds/broken.yaml" in str(broken.value)
    assert says in str(broken.value)


@pytest.mark.parametrize("text", ["a: [", "- a", ""])
def test_a_file_of_a_cloud_that_is_no_mapping_fails_by_its_name(text: str) -> None:
    with pytest.raises(CloudError, match=r"topology/clouds/broken\.yaml"):
        parsed("broken", text)


def test_the_page_is_what_the_files_of_the_clouds_say() -> None:
    written = (DOCS / "clouds.md").read_text()
    assert written == page(), "run: python -m topology.clouds.page > docs/clouds.md"


def test_the_page_says_that_no_cloud_was_run_against_and_cites_every_source() -> None:
    assert "None of these clouds was run against" in page()
    for name in cloud_names():
        assert f"\n## {name}\n" in page()
        assert all(source.url in page() for source in cloud(name).sources.values())
