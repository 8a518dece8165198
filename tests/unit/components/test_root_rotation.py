"""A root that is being replaced: which roots exist, who signs, and what stands in ``cacerts`` at each stage."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pulumi
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components import TrustAndLinks, TrustAndLinksArgs
from components import root_ca as root_ca_module
from components.providers import cluster_provider
from components.root_ca import RootCA, RootCAArgs
from components.trust import Trust, TrustArgs
from tests.authority import Authority, p256, root
from tests.unit.components.recording import Recorder, opened, record
from topology import load_mesh
from topology.certificates import describe
from topology.given_trust import GivenIntermediate, GivenRoot, GivenTrust

CLUSTERS = ("cluster1", "cluster2")
STAGES = ("both-trusted", "new-signs", "new-only")
# Without a line's end, as an editor may leave it.
ACME, ACME_2 = root("Acme Root"), root("Acme Root 2")
PULUMIS_KEY = p256()


@dataclass(frozen=True)
class Case:
    """A rotation: where the two roots come from, and their texts in ``root-cert.pem``."""

    trust: dict[str, Any]
    to: dict[str, Any]
    given: GivenTrust
    present: str
    new: str
    # In mocks a generated certificate is its name.
    present_key: str | None = None
    new_key: str | None = None


def intermediates(of: Authority, key: str) -> dict[str, GivenIntermediate]:
    made = {name: of.issue(f"Intermediate CA {name}") for name in CLUSTERS}
    return {name: GivenIntermediate(name, key, one.pem, one.key_pem) for name, one in made.items()}


UNDER_ACME, UNDER_ACME_2 = intermediates(ACME, "trust"), intermediates(ACME_2, "trust.next")
PRESENT, NEW = GivenRoot(ACME.pem.rstrip(), UNDER_ACME), GivenRoot(ACME_2.pem, UNDER_ACME_2)
PROVIDED = {"root": "provided", "rootCertificate": {"path": "root.pem"}}
TO_PROVIDED = {"to": "provided", "rootCertificate": {"path": "new.pem"}}
FIRST, SECOND = "CERT mesh-trust-root-cert\n", "CERT mesh-trust-root-2-cert\n"
KEY_1, KEY_2 = "KEY mesh-trust-root-key", "KEY mesh-trust-root-2-key"
CASES = {
    "generated to generated": Case({}, {}, GivenTrust(), FIRST, SECOND, KEY_1, KEY_2),
    "generated to provided": Case({}, TO_PROVIDED, GivenTrust(new=NEW), FIRST, ACME_2.pem, KEY_1),
    "provided to generated": Case(PROVIDED, {}, GivenTrust(PRESENT), PRESENT.certificate, FIRST, None, KEY_1),
    "provided to provided": Case(
        PROVIDED, TO_PROVIDED, GivenTrust(PRESENT, NEW), PRESENT.certificate, ACME_2.pem, None, None
    ),
}


@pytest.fixture(autouse=True)
def _texts_of_certificates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the recorder end generated certificates as PEM ends, and say the public half of keys."""
    of_recorder = Recorder.new_resource

    def new_resource(self: Recorder, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        name, outputs = of_recorder(self, args)
        if args.typ.endswith("Cert"):
            outputs["certPem"] += "\n"
        if args.typ.endswith(":PrivateKey"):
            public = PULUMIS_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            outputs["publicKeyPem"] = public.decode()
        return name, outputs

    monkeypatch.setattr(Recorder, "new_resource", new_resource)
    real = root_ca_module.sha256_fingerprint
    monkeypatch.setattr(
        root_ca_module, "sha256_fingerprint", lambda pem: f"sha256 of {pem}" if pem.startswith("CERT") else real(pem)
    )
    yield


def declared(case: Case, stage: str | None) -> dict[str, Any]:
    rotation = {"rotation": {"stage": stage, **case.to}} if stage else {}
    pair = {"certificate": {"path": "a.pem"}, "key": {"path": "a.key"}}
    own = (pair if case.trust else {}) | ({"next": pair} if case.to and stage else {})
    clusters = [
        {"name": name, "network": name, "apiServer": f"https://{name}.example.com", "trust": own} for name in CLUSTERS
    ]
    return {"trust": {**case.trust, **rotation}, "clusters": clusters}


def run(mesh: dict[str, Any], given: GivenTrust) -> tuple[Recorder, Any]:
    def program() -> Any:
        loaded = load_mesh(mesh)
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in CLUSTERS}
        trust = Trust("mesh-trust", TrustArgs(loaded, providers, given))
        return {
            "root": trust.summary(),
            "rotation": trust.rotation_summary(),
            "expiries": trust.expiries({"cluster2": ACME.pem + ACME_2.pem}),
        }

    return record(program)


def at(case: Case, stage: str | None) -> tuple[Recorder, Any]:
    """The mesh at a stage; of what is given, what is read at that stage."""
    new = case.given.new if stage else None
    present = case.given.present
    if present and stage in ("new-signs", "new-only"):
        present = GivenRoot(present.certificate)
    return run(declared(case, stage), GivenTrust(present, new))


def cacerts(recorder: Recorder, cluster: str = "cluster1") -> dict[str, str]:
    files: dict[str, str] = opened(recorder.named(f"mesh-trust-{cluster}-intermediate-cacerts").inputs["stringData"])
    return files


@pytest.mark.parametrize("name", CASES)
def test_the_texts_of_the_stages_contain_each_other_byte_for_byte(name: str) -> None:
    case = CASES[name]
    both, signs, only = (cacerts(at(case, stage)[0])["root-cert.pem"] for stage in STAGES)
    old = cacerts(at(case, None)[0])["root-cert.pem"]
    assert old == case.present
    present = case.present if case.present.endswith("\n") else f"{case.present}\n"
    assert both == present + case.new
    assert signs == present + case.new + case.new
    assert only == case.new
    # istiod takes another text only if it contains the one before, or is contained in it.
    assert all(one in other or other in one for one, other in pairwise([old, both, signs, only]))


@pytest.mark.parametrize("name", CASES)
def test_the_intermediates_stand_under_the_root_that_the_stage_says(name: str) -> None:
    case = CASES[name]
    for stage, text, key, given in (
        ("both-trusted", case.present, case.present_key, case.given.present),
        ("new-signs", case.new, case.new_key, case.given.new),
        ("new-only", case.new, case.new_key, case.given.new),
    ):
        recorder, _ = at(case, stage)
        for cluster in CLUSTERS:
            files = cacerts(recorder, cluster)
            assert files["cert-chain.pem"].rstrip().endswith(text.rstrip())
            assert files["cert-chain.pem"].startswith(files["ca-cert.pem"])
            if given:
                assert files["ca-cert.pem"] == given.intermediates[cluster].certificate
        signed = {opened(r.inputs["caPrivateKeyPem"]) for r in recorder.of("LocallySignedCert")}
        assert signed == ({key} if key else set())


@pytest.mark.parametrize("name", CASES)
def test_every_stage_updates_the_same_secret_of_each_cluster(name: str) -> None:
    case = CASES[name]
    names = {
        frozenset(r.name for r in at(case, stage)[0].of("Secret") if r.inputs["metadata"]["name"] == "cacerts")
        for stage in (None, *STAGES)
    }
    assert names == {frozenset(f"mesh-trust-{cluster}-intermediate-cacerts" for cluster in CLUSTERS)}


def tls(recorder: Recorder) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in recorder.resources if r.type.startswith("tls:")}


def test_finishing_leaves_the_new_root_and_every_intermediate_as_they_were() -> None:
    case = CASES["generated to generated"]
    before, _ = at(case, "new-only")
    after, outputs = run({**declared(case, None), "trust": {"generation": 2}}, GivenTrust())
    assert cacerts(after) == cacerts(before)
    # What is no more is the old root's, and nothing else.
    assert tls(before).keys() - tls(after).keys() == {"mesh-trust-root-key", "mesh-trust-root-cert"}
    assert {name: inputs for name, inputs in tls(before).items() if name in tls(after)} == tls(after)
    assert outputs["root"]["sha256"] == f"sha256 of {SECOND}"


def test_finishing_towards_a_provided_root_leaves_cacerts_as_they_were() -> None:
    case = CASES["provided to provided"]
    before, _ = at(case, "new-only")
    after, _ = run(declared(Case(PROVIDED, {}, GivenTrust(), "", ""), None), GivenTrust(NEW))
    assert cacerts(after) == cacerts(before)


def test_the_first_root_keeps_its_names_and_its_subject() -> None:
    recorder, _ = at(CASES["generated to generated"], "both-trusted")
    roots_made = {r.name: r.inputs["subject"]["commonName"] for r in recorder.of("SelfSignedCert")}
    assert roots_made == {"mesh-trust-root-cert": "Root CA", "mesh-trust-root-2-cert": "Root CA 2"}


def triggers(monkeypatch: pytest.MonkeyPatch, stage: str | None, **trust: Any) -> list[Any]:
    """By what the keys of the intermediates are made anew."""
    seen: list[Any] = []
    of_options = pulumi.ResourceOptions.__init__

    def kept(self: pulumi.ResourceOptions, *args: Any, **keywords: Any) -> None:
        if "replacement_trigger" in keywords:
            seen.append(keywords["replacement_trigger"])
        of_options(self, *args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(pulumi.ResourceOptions, "__init__", kept)
        mesh = declared(CASES["generated to generated"], stage)
        mesh["trust"] |= trust
        mesh["clusters"][1]["trust"] = {"rotate": "2026-11"}
        run(mesh, GivenTrust())
    return seen


def test_a_new_generated_root_signs_new_keys_once_and_the_knob_still_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert triggers(monkeypatch, None) == ["", "2026-11"]
    assert triggers(monkeypatch, "both-trusted") == ["", "2026-11"]
    signing = triggers(monkeypatch, "new-signs")
    assert set(signing).isdisjoint({"", "2026-11"})
    assert len(set(signing)) == 2
    assert triggers(monkeypatch, "new-only") == signing
    assert triggers(monkeypatch, None, generation=2) == signing


def roots_made(monkeypatch: pytest.MonkeyPatch, stage: str | None) -> dict[str, RootCAArgs]:
    """What each generated root is asked to be."""
    seen: dict[str, RootCAArgs] = {}
    make = RootCA.__init__

    def kept(self: RootCA, name: str, args: RootCAArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        seen[name] = args
        make(self, name, args, opts)

    with monkeypatch.context() as patch:
        patch.setattr(RootCA, "__init__", kept)
        run(declared(CASES["generated to generated"], stage), GivenTrust())
    return seen


def protected(monkeypatch: pytest.MonkeyPatch, stage: str | None) -> dict[str, bool]:
    """Whether Pulumi refuses to delete each generated root."""
    return {name: args.protect for name, args in roots_made(monkeypatch, stage).items()}


def test_other_lifetimes_and_algorithms_are_those_of_the_new_root(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: args.as_made for name, args in roots_made(monkeypatch, "both-trusted").items()}
    assert made == {"mesh-trust-root": True, "mesh-trust-root-2": False}
    assert {name: args.as_made for name, args in roots_made(monkeypatch, None).items()} == {"mesh-trust-root": False}


def test_a_root_is_protected_while_something_stands_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = "mesh-trust-root", "mesh-trust-root-2"
    assert protected(monkeypatch, None) == {one: True}
    # So that a rotation can be given up, and finished.
    assert protected(monkeypatch, "both-trusted") == {one: True, two: False}
    assert protected(monkeypatch, "new-signs") == {one: True, two: True}
    assert protected(monkeypatch, "new-only") == {one: False, two: True}


def test_outputs_say_the_stage_both_roots_and_what_ends_when() -> None:
    _, outputs = at(CASES["generated to provided"], "new-signs")
    new = describe(ACME_2.pem)
    assert outputs["rotation"] == {
        "stage": "new-signs",
        "present": f"sha256 of {FIRST}",
        "new": new.sha256,
        "newExpires": new.expires,
    }
    first = f"sha256 of {FIRST}"
    assert outputs["root"] == {"sha256": first, "trusted": [first], "expires": "2036-01-01T00:00:00Z"}
    ends = [describe(UNDER_ACME_2[name].certificate).expires for name in CLUSTERS]
    assert sorted(outputs["expiries"], key=lambda each: (each["what"], each["cluster"])) == [
        {"what": "CA of the API server", "cluster": "cluster2", "expires": describe(ACME.pem).expires},
        {"what": "intermediate", "cluster": "cluster1", "expires": ends[0]},
        {"what": "intermediate", "cluster": "cluster2", "expires": ends[1]},
        {"what": "new root", "cluster": "", "expires": new.expires},
        {"what": "root", "cluster": "", "expires": "2036-01-01T00:00:00Z"},
    ]
    times = [each["expires"] for each in outputs["expiries"]]
    assert times == sorted(times)
    assert at(CASES["generated to generated"], None)[1]["rotation"] is None


def test_a_divided_mesh_rotates_in_the_stack_of_trust_and_links() -> None:
    case = CASES["generated to generated"]

    def program() -> Any:
        mesh = declared(case, "new-signs")
        mesh["groups"] = {"cn": {"stack": "acme-cn"}}
        for cluster in mesh["clusters"]:
            cluster["group"] = "cn"
        loaded = load_mesh(mesh)
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in CLUSTERS}
        return TrustAndLinks("mesh", TrustAndLinksArgs(loaded, providers, set(CLUSTERS))).summary(loaded)

    recorder, outputs = record(program)
    assert cacerts(recorder) == cacerts(at(case, "new-signs")[0])
    assert outputs["rotation"]["stage"] == "new-signs"
    assert {each["what"] for each in outputs["expiries"]} == {"root", "new root", "intermediate"}


def test_a_key_that_pulumi_made_is_certified_by_the_new_root_too() -> None:
    answer = ACME_2.issue("Intermediate CA cluster1", key=PULUMIS_KEY)
    case = Case({}, TO_PROVIDED, GivenTrust(), FIRST, ACME_2.pem)
    mesh = declared(case, "new-signs")
    for cluster in mesh["clusters"]:
        cluster["trust"] = {"request": True, "next": {"certificate": {"path": "a.pem"}}}
    given = {name: GivenIntermediate(name, "trust.next", answer.pem, None) for name in CLUSTERS}
    recorder, _ = run(mesh, GivenTrust(new=GivenRoot(ACME_2.pem, given)))
    files = cacerts(recorder)
    assert files["ca-key.pem"] == "PKCS8 mesh-trust-cluster1-intermediate-key"
    assert files["cert-chain.pem"] == answer.pem + ACME_2.pem
    assert files["root-cert.pem"] == FIRST + ACME_2.pem + ACME_2.pem
