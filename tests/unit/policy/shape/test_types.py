"""Documents against the types of both proven Istio versions: the tables stand in ../corpus."""

from typing import Any

import cel
import pytest

from policy.document import Document, parse
from policy.shape import Types
from policy.shape.cel_rules import FUNCTIONS, RuleTree
from policy.shape.formats import FUNCTIONS as OF_ISTIO
from tests.unit.policy import corpus

TYPES = {version: corpus.types(version) for version in corpus.VERSIONS}
NATIVE = {"size", "contains", "startsWith", "endsWith", "matches", "int", "duration", "has", "all", "exists"}


def _says(types: Types, text: str) -> list[str]:
    [document] = parse(text, "a.yaml")
    return [str(finding) for finding in types.check(document)]


@pytest.mark.parametrize("version", corpus.VERSIONS)
@pytest.mark.parametrize("row", corpus.invalid(), ids=lambda row: row["wrong"].replace(" ", "-"))
def test_what_istio_refuses_is_refused_by_its_rule(row: dict[str, Any], version: str) -> None:
    findings = TYPES[version].check(corpus.written(row, "a.yaml"))
    codes = {finding.rule.code for finding in findings if finding.stops}
    allowed = {row["code"]} if isinstance(row["code"], str) else set(row["code"])
    assert codes and codes <= allowed, [str(finding) for finding in findings]


@pytest.mark.parametrize("version", corpus.VERSIONS)
@pytest.mark.parametrize("document", corpus.valid(), ids=lambda document: f"{document.kind}-{document.name}")
def test_what_istio_takes_gives_no_finding(document: Document, version: str) -> None:
    assert [str(finding) for finding in TYPES[version].check(document)] == []


def test_corpus_has_every_kind() -> None:
    kinds = {document.kind for document in corpus.valid()}
    refused = {row["document"].get("kind") for row in corpus.invalid()}
    wanted = {"VirtualService", "DestinationRule", "ServiceEntry", "Gateway", "Sidecar", "EnvoyFilter", "ProxyConfig"}
    wanted |= {"PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication", "Telemetry", "WorkloadEntry"}
    wanted |= {"WorkloadGroup", "HTTPRoute", "GRPCRoute", "WasmPlugin"}
    assert wanted <= kinds
    assert wanted <= refused


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_every_cel_rule_of_the_types_can_be_judged(version: str) -> None:
    texts = {rule for _, rule in TYPES[version].rules()}
    assert texts
    for text in texts:
        called = {name for name in cel.compile(text).functions() if name.isidentifier() and not name.startswith("_")}
        assert called <= NATIVE | FUNCTIONS.keys() | {"exists_one", "filter", "map"}, text


def test_finding_names_line_field_and_nearest_spelling() -> None:
    said = _says(
        TYPES["1.32-dev"],
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: b}\n"
        "spec:\n  hosts: [a]\n  http:\n  - rout:\n    - destination: {host: a}\n",
    )
    assert said == ["a.yaml:7: SM111 VirtualService b/a: spec.http[0] has no field 'rout'. Did you mean 'route'?"]


def test_missing_field_is_not_told_beside_its_misspelling() -> None:
    said = _says(
        TYPES["1.32-dev"],
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: b}\n"
        "spec: {hots: a}\n",
    )
    assert len(said) == 1
    assert "Did you mean 'host'?" in said[0]


def test_exclusive_fields_are_named() -> None:
    said = _says(
        TYPES["1.22.3"],
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: b}\n"
        "spec: {hosts: [a], http: [{match: [{uri: {exact: a, regex: b}}], route: [{destination: {host: a}}]}]}\n",
    )
    assert "spec.http[0].match[0].uri has exact and regex, of which only one may stand" in said[0]


@pytest.mark.parametrize(
    ("api_version", "kind", "meant"),
    [
        ("networking.istio.io/v1", "DestinationRules", "Did you mean DestinationRule?"),
        ("networking.istio.io/v2", "Sidecar", "Did you mean networking.istio.io/v1?"),
        ("networking.istio.io/v1", "PeerAuthentication", "Did you mean security.istio.io/v1?"),
    ],
)
def test_unknown_kind_or_version_is_told_the_nearest(api_version: str, kind: str, meant: str) -> None:
    said = _says(TYPES["1.32-dev"], f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n")
    assert "SM110" in said[0]
    assert said[0].endswith(meant)


def test_types_that_could_not_be_had_are_a_warning_with_the_reason() -> None:
    types = Types.of([], {"networking.istio.io": "nobody has the charts"})
    [document] = parse("apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\n", "a.yaml")
    [finding] = types.check(document)
    assert finding.rule.code == "SM119"
    assert not finding.stops
    assert "nobody has the charts" in finding.message
    assert types.reasons == ("nobody has the charts",)


def test_keys_that_yaml_reads_as_numbers_and_dates_are_strings_to_the_api_server() -> None:
    said = _says(
        TYPES["1.32-dev"],
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: b}\n"
        "spec: {selector: {matchLabels: {since: 2026-01-01}}, portLevelMtls: {8080: {mode: STRICT}}}\n",
    )
    assert said == []


def test_defaults_of_the_type_are_there_before_its_rules_are_judged() -> None:
    # Without the default of `group` the rule on Services would end with an error.
    said = _says(
        TYPES["1.32-dev"],
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a, namespace: b}\n"
        "spec: {parentRefs: [{name: a}, {name: b}], rules: [{backendRefs: [{name: a}]}]}\n",
    )
    assert [line for line in said if "SM113" in line] == said
    assert "Must have port for Service reference" in said[0]


def test_what_a_crd_says_itself_is_not_said_twice() -> None:
    text = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: b}\n"
        "spec:\n  hosts: [a]\n  http:\n  - timeout: 0s\n    route: [{destination: {host: a}}]\n"
    )
    for version, code in (("1.22.3", "SM115"), ("1.32-dev", "SM113")):
        said = _says(TYPES[version], text)
        assert len(said) == 1
        assert code in said[0]


def test_list_with_unique_keys_takes_each_once() -> None:
    said = _says(
        TYPES["1.32-dev"],
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: b}\n"
        "spec:\n  hosts: [a.example.com]\n  resolution: DNS\n  ports:\n"
        "  - {name: tls, number: 443, protocol: TLS}\n  - {name: tls, number: 8443, protocol: TLS}\n",
    )
    assert len(said) == 1
    assert said[0].startswith("a.yaml:9: SM112 ServiceEntry b/a: spec.ports[1] has the same name tls")


def test_reserved_names_are_escaped_for_cel() -> None:
    schema = {
        "properties": {"namespace": {"type": "string"}, "a-b": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.__namespace__ == self.a__dash__b", "message": "have to be alike"}],
    }
    tree = RuleTree(schema)
    assert list(tree.broken({"namespace": "x", "a-b": "x"})) == []
    assert [str(broken.path) for broken in tree.broken({"namespace": "x", "a-b": "y"})] == ["()"]


def test_rule_that_ends_with_an_error_is_broken_and_one_that_cannot_be_judged_says_so() -> None:
    tree = RuleTree({"x-kubernetes-validations": [{"rule": "self.absent > 1"}, {"rule": "unheardOf(self)"}]})
    first, second = tree.broken({"a": 1})
    assert getattr(first, "error", None)
    assert "unheardOf" in getattr(second, "unknown", "")


def test_rules_on_changes_are_left_out() -> None:
    assert list(RuleTree({"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}).rules()) == []


def test_words_of_the_webhook_rules_are_all_used() -> None:
    from policy.shape.webhook import RULES_FILE  # noqa: PLC0415 - only its path

    text = RULES_FILE.read_text()
    assert [name for name in OF_ISTIO if f"{name}(" not in text] == []
