"""SM63x: whether every cluster trusts what every other one signs with, and for how long."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import known_facts
from health.examination import Examined
from health.observed import Certificate, Observed, Trust, Unknown

# As `linkerd check` asks of trust roots, and topology.certificates of intermediates.
NOTICE = timedelta(days=60)
PLUGIN_CA = "https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/"

OTHER_ROOT = Cause(
    "SM631",
    "clusters trust different roots",
    "error",
    symptom="Every request between the clusters fails: 503, TLS error, CERTIFICATE_VERIFY_FAILED, in both directions",
    cause="cacerts of the clusters lead to different root CAs: they were made apart, or istiod started before cacerts "
    "and made a root of its own",
    cure="`pulumi up --refresh` writes the declared cacerts; then restart istiod and the workloads of that cluster. To "
    "change a root on purpose: `spanmesh rotate root` (docs/rotation.md)",
    source="https://github.com/istio/istio/issues/30103",
)
PARTLY = Cause(
    "SM632",
    "clusters trust different sets of roots",
    "warning",
    symptom="Nothing yet: each still trusts what the others sign with",
    cause="A change of the root has not reached every cluster, or was left half-way",
    cure="`spanmesh rotate root` goes on with the change from where it is, or back with --rollback (docs/rotation.md)",
    source="https://github.com/istio/istio/issues/30947",
)
BROKEN_CHAIN = Cause(
    "SM633",
    "istiod signs under a root that its own cluster is not told to trust",
    "error",
    symptom="Pods that start do not get ready: their proxies do not trust istiod (x509: certificate signed by unknown "
    "authority)",
    cause="The chain that istiod serves at port 15012 leads to none of the roots in ConfigMap istio-ca-root-cert of "
    "istio-system: cacerts was changed and istiod did not follow, or another controller writes the ConfigMap",
    cure="Restart istiod; where that does not help, see who writes istio-ca-root-cert: `kubectl -n istio-system get "
    "configmap istio-ca-root-cert --show-managed-fields -o yaml`",
    source=PLUGIN_CA,
)
LAGGING = Cause(
    "SM634",
    "namespaces have other roots than istiod gives out",
    "error",
    symptom="Pods that start in these namespaces do not get ready: their proxies do not trust istiod",
    cause="ConfigMap istio-ca-root-cert there is an old one: no istiod writes it, because it lost the election, its "
    "rights, or discoverySelectors leave the namespace out",
    cure="Delete the ConfigMap there: istiod writes it anew; where it does not come, see istiod's log for "
    "`namespace controller`",
    source="https://github.com/istio/istio/issues/32501",
)
LIVE_ROOT = Cause(
    "SM635",
    "running proxies trust other roots than istiod gives out",
    "error",
    symptom="The named proxies refuse requests from other clusters, or are refused by them, while new pods work",
    cause="The proxies were started under an earlier root and have not taken the new one: without ISTIO_MULTIROOT_MESH "
    "and PROXY_CONFIG_XDS_AGENT a proxy keeps its root until it is restarted",
    cure="Restart them: `kubectl rollout restart` of their Deployment",
    source="https://github.com/istio/istio/issues/52356",
)
ENDS_SOON = Cause(
    "SM636",
    "CA certificate ends soon",
    "warning",
    symptom="Nothing yet; at its end every new connection of the cluster fails",
    cause="A root or an intermediate has 60 days or less to live, and nothing renews it by itself",
    cure="`spanmesh rotate intermediate --cluster`, or `spanmesh rotate root` (docs/rotation.md)",
    source="https://linkerd.io/2.10/tasks/replacing_expired_certificates",
)
OUT_OF_TIME = Cause(
    "SM637",
    "CA certificate has expired, or is not valid yet",
    "error",
    symptom="Every new connection from and to the cluster fails with a TLS error, and no pod gets a certificate",
    cause="A root or an intermediate is past its end; or before its beginning, where clocks disagree",
    cure="Intermediate: `spanmesh rotate intermediate --cluster`. Root: docs/security.md",
    source=PLUGIN_CA,
)
SHARED = Cause(
    "SM638",
    "two clusters sign with one intermediate",
    "warning",
    symptom="Nothing fails; whoever has the key of one cluster speaks for both, and neither can be rotated alone",
    cause="cacerts of one cluster was made from the files of the other one",
    cure="Give each cluster an intermediate of its own: another text in `trust.rotate`, or its own `trust.certificate`",
    source=PLUGIN_CA,
)
OUT_OF_DATE = Cause(
    "SM639",
    "running proxies show certificates that are not valid now",
    "error",
    symptom="Requests from and to the named pods fail with 503 `connection termination`, within their cluster too, "
    "while new pods work",
    cause="The certificate was signed while a clock was wrong, and begins or ended at another time; or its proxy could "
    "not renew it, because no istiod answered it for a day",
    cure="Once all clocks are right and istiod is ready, restart the pods: `kubectl rollout restart` of their "
    "Deployments. Others of that time may be there: only a few of each cluster are looked at",
    source="https://istio.io/latest/docs/concepts/security/#pki",
)

CHAINS = Check(
    "trust-chains",
    "every istiod signs under a root that its cluster trusts, in every namespace",
    (BROKEN_CHAIN, LAGGING),
    needs=("api-servers",),
)
ROOTS = Check(
    "trust-roots",
    "all clusters trust the same roots, and each signs with an intermediate of its own",
    (OTHER_ROOT, PARTLY, SHARED),
    needs=("api-servers", "trust-chains"),
)
PROXIES = Check(
    "trust-proxies",
    "running gateways trust the roots that istiod gives out",
    (LIVE_ROOT,),
    needs=("api-servers", "trust-chains", "trust-roots"),
)
PROXY_LIFETIMES = Check(
    "proxy-certificates",
    "gateways and a few sidecars show certificates that are valid now",
    (OUT_OF_DATE,),
    needs=("api-servers", "clocks"),
)
LIFETIMES = Check(
    "certificates",
    f"every CA certificate is valid for at least {NOTICE.days} days",
    (ENDS_SOON, OUT_OF_TIME),
    needs=("api-servers", "clocks"),
)


def root_of(chain: Sequence[Certificate], roots: Iterable[Certificate]) -> Certificate | None:
    """The root among ``roots`` that a chain leads to; None where it leads to none of them.

    Signatures are not verified, as the keys are not had: key ids are compared where both certificates have them (RFC
    5280, 4.2.1.1), names elsewhere.

    Args:
        chain: a certificate, then those between it and the root; the root itself may be among them.
        roots: roots that are trusted.
    """
    trusted = {each.fingerprint: each for each in roots}
    if not chain:
        return None
    at, rest = chain[0], [*chain[1:], *trusted.values()]
    for _ in range(len(rest) + 1):
        if at.fingerprint in trusted:
            return trusted[at.fingerprint]
        issuer = next((each for each in rest if each is not at and _issued(at, each)), None)
        if issuer is None or issuer.fingerprint == at.fingerprint:
            return None
        at = issuer
    return None


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    if certificate.issuer_key_id and issuer.key_id:
        return certificate.issuer_key_id == issuer.key_id and certificate.issuer == issuer.subject
    return certificate.issuer == issuer.subject


def _told(observed: Observed, check: Check) -> tuple[dict[str, Trust], list[Result]]:
    return known_facts(observed, check, lambda cluster: cluster.trust)


def _chains(observed: Observed) -> Iterator[Result]:
    trusts, silent = _told(observed, CHAINS)
    for name, trust in trusts.items():
        yield from [*_of_istiod(name, trust)] or [ok(CHAINS, name, message=f"root {_names(trust.roots)}")]
    yield from silent


def _of_istiod(name: str, trust: Trust) -> Iterator[Result]:
    if root_of(trust.chain, trust.roots) is None:
        last = trust.chain[-1] if trust.chain else None
        under = f"{last.issuer} (key id {last.issuer_key_id[:16] or 'unknown'})" if last else "nothing"
        message = f"istiod serves a chain under {under}; istio-ca-root-cert has {_names(trust.roots)}"
        yield found(CHAINS, BROKEN_CHAIN, message, name)
    other = {namespace: roots for namespace, roots in trust.bundles.items() if _prints(roots) != _prints(trust.roots)}
    if other:
        listed = ", ".join(f"{namespace} ({_names(roots) or 'none'})" for namespace, roots in sorted(other.items()))
        message = f"istiod gives out {_names(trust.roots)}; istio-ca-root-cert differs in {listed}"
        yield found(CHAINS, LAGGING, message, name)


def _proxies(observed: Observed) -> Iterator[Result]:
    trusts, silent = _told(observed, PROXIES)
    for name, trust in trusts.items():
        proxies = observed.clusters[name].proxies_trust
        if isinstance(proxies, Unknown):
            yield skipped(PROXIES, proxies.reason, name)
            continue
        wrong = [each for each in proxies if not _prints(each.roots) & _prints(trust.roots)]
        for proxy in wrong:
            message = f"proxy {proxy.proxy} trusts {_names(proxy.roots) or 'no root'}; istiod gives out "
            yield found(PROXIES, LIVE_ROOT, message + _names(trust.roots), name)
        if not wrong and proxies:
            yield ok(PROXIES, name, message=f"{len(proxies)} proxies looked at")
        elif not proxies:
            yield skipped(PROXIES, "no gateway runs here", name)
    yield from silent


def _roots(observed: Observed) -> Iterator[Result]:
    trusts, silent = _told(observed, ROOTS)
    yield from silent
    if not trusts:
        return
    first = _usual(observed, trusts)
    usual = _prints(trusts[first].roots)
    shared = _shared(trusts)
    for name, trust in trusts.items():
        wrong = []
        if _prints(trust.roots) != usual:
            wrong.append(_other(name, trust, first, trusts[first]))
        if name in shared:
            message = f"{name} signs with {shared[name][1].subject}, as {shared[name][0]} does"
            wrong.append(found(ROOTS, SHARED, message, name, shared[name][0]))
        yield from wrong or [ok(ROOTS, name, message=f"root {_names(trust.roots)}")]


def _usual(observed: Observed, trusts: Mapping[str, Trust]) -> str:
    """The first cluster that trusts what most do; running proxies count too, so that the one that changed is named."""
    votes = Counter(frozenset(_prints(trust.roots)) for trust in trusts.values())
    for name in trusts:
        proxies = observed.clusters[name].proxies_trust
        votes.update(frozenset(_prints(each.roots)) for each in (() if isinstance(proxies, Unknown) else proxies))
    return max(trusts, key=lambda name: votes[frozenset(_prints(trusts[name].roots))])


def _other(name: str, trust: Trust, first: str, usual: Trust) -> Result:
    both_ways = root_of(trust.chain, usual.roots) and root_of(usual.chain, trust.roots)
    message = f"{name} trusts {_names(trust.roots) or 'no root'}; {first} trusts {_names(usual.roots)}"
    return found(ROOTS, PARTLY if both_ways else OTHER_ROOT, message, name)


def _shared(trusts: Mapping[str, Trust]) -> dict[str, tuple[str, Certificate]]:
    """By name of a cluster whose intermediate an earlier one has too: that one, and the intermediate."""
    owners: dict[str, str] = {}
    found_in: dict[str, tuple[str, Certificate]] = {}
    for name, trust in trusts.items():
        for certificate in trust.chain[1:2]:
            if certificate.fingerprint in _prints(trust.roots):
                continue
            owner = owners.setdefault(certificate.fingerprint, name)
            if owner != name:
                found_in[name] = (owner, certificate)
    return found_in


def _lifetimes(observed: Observed) -> Iterator[Result]:
    trusts, silent = _told(observed, LIFETIMES)
    for name, trust in trusts.items():
        # istiod renews its own certificate, the first of the chain, by itself.
        certificates = {each.fingerprint: each for each in (*trust.chain[1:], *trust.roots)}.values()
        wrong = [result for each in certificates if (result := _lifetime(name, each, observed.at))]
        if not wrong and certificates:
            soonest = min(certificates, key=lambda each: each.not_after)
            days = (soonest.not_after - observed.at).days
            yield ok(LIFETIMES, name, message=f"{days} days left ({soonest.subject})")
        yield from wrong
    yield from silent


def _lifetime(name: str, certificate: Certificate, now: datetime) -> Result | None:
    what = f"{certificate.subject} ({certificate.fingerprint[:16]})"
    if why := _out_of_date(certificate, now):
        return found(LIFETIMES, OUT_OF_TIME, f"{what}: {why}", name)
    if (left := certificate.not_after - now) <= NOTICE:
        return found(LIFETIMES, ENDS_SOON, f"{what} ends in {left.days} days, {_time(certificate.not_after)}", name)
    return None


def _proxy_lifetimes(observed: Observed) -> Iterator[Result]:
    proxies, silent = known_facts(observed, PROXY_LIFETIMES, lambda cluster: cluster.proxies_trust)
    for name, looked_at in proxies.items():
        shown = {each.proxy: each.chain[0] for each in looked_at if each.chain}
        wrong = [f"{proxy} ({why})" for proxy, each in shown.items() if (why := _out_of_date(each, observed.at))]
        if wrong:
            yield found(PROXY_LIFETIMES, OUT_OF_DATE, ", ".join(wrong), name)
        else:
            yield ok(PROXY_LIFETIMES, name, message=f"{len(shown)} proxies looked at")
    yield from silent


def _out_of_date(certificate: Certificate, now: datetime) -> str:
    """Why a certificate is not valid; empty: it is."""
    if now >= certificate.not_after:
        return f"ended at {_time(certificate.not_after)}"
    return f"not valid before {_time(certificate.not_before)}" if now < certificate.not_before else ""


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _prints(certificates: Iterable[Certificate]) -> set[str]:
    return {each.fingerprint for each in certificates}


def _names(certificates: Sequence[Certificate]) -> str:
    return ", ".join(f"{each.subject} ({each.fingerprint[:16]})" for each in certificates)


EXAMINED = (
    Examined(CHAINS, _chains),
    Examined(ROOTS, _roots),
    Examined(PROXIES, _proxies),
    Examined(LIFETIMES, _lifetimes),
    Examined(PROXY_LIFETIMES, _proxy_lifetimes),
)
