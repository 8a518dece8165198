"""SM71x, SM72x: what can break one request on its way; what `spanmesh explain` names at the first broken hop."""

from health.check import Cause, Check

FLAGS = "https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage"
REQUIREMENTS = "https://istio.io/latest/docs/ops/deployment/application-requirements/"
SECURITY_ISSUES = "https://istio.io/latest/docs/ops/common-problems/security-issues/"

NO_PROXY = Cause(
    "SM710",
    "client has no sidecar",
    "error",
    symptom="Requests ignore every VirtualService and DestinationRule, reach no other network, and are refused where "
    "mutual TLS is required",
    cause="The client's pod has no istio-proxy container: its namespace or pod is not labelled for injection, or it "
    "was "
    "made before the label",
    cure="Label the namespace (`istio-injection=enabled`, or the revision's label) and make the pod anew",
    source="https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/",
)
NO_NAME = Cause(
    "SM711",
    "name is not known in the client's cluster",
    "error",
    symptom="`Could not resolve host` in the client, although the Service runs in another cluster",
    cause="Kubernetes DNS answers for Services of its own cluster only, and the client's cluster has none of this name",
    cure="Make the same Service in the client's cluster too; it needs no pods there (docs/policy.md, `services`). "
    "Or let "
    "sidecars answer DNS: ISTIO_META_DNS_CAPTURE",
    source="https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/",
)
NO_PORT = Cause(
    "SM712",
    "Service has no such port",
    "error",
    symptom="The connection is refused or times out: nothing of Istio takes it as one to the Service",
    cause="The port that is asked is none of the Service's ports (its targetPort does not count)",
    cure="Ask one of the Service's ports, or add the port to the Service in every cluster",
    source="https://kubernetes.io/docs/concepts/services-networking/service/",
)
NO_ROUTE = Cause(
    "SM713",
    "no route takes the request",
    "error",
    symptom="404 with the flag NR in the client's access log, and no answer of a server",
    cause="The host has a VirtualService, and none of its matches fits path, method and headers of the request",
    cure="Add a last route without a match to the VirtualService, or correct its matches",
    source="https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest",
)
NO_HOST = Cause(
    "SM714",
    "client's proxy does not know the Service",
    "error",
    symptom="The request goes out as it is (PassthroughCluster), never to another cluster, or is refused with 502 "
    "(BlackHoleCluster, where outboundTrafficPolicy is REGISTRY_ONLY)",
    cause="istiod gives this proxy no configuration of the host: a Sidecar does not list it under `egress.hosts`, "
    "or the "
    "Service's `networking.istio.io/exportTo` keeps it from this namespace, or the proxy refuses its configuration",
    cure="List the host in the Sidecar, widen exportTo, or see what the proxy refuses (`istioctl proxy-status`)",
    source="https://istio.io/latest/docs/reference/config/networking/sidecar/",
)
NO_SUBSET = Cause(
    "SM715",
    "route leads to a subset that the client's cluster does not define",
    "error",
    symptom="503 with the flag NC (cluster_not_found) for the share of requests that the route sends there",
    cause="A VirtualService names a subset, and no DestinationRule of the client's cluster for that host has it: "
    "istiod "
    "reads policy from its own cluster only",
    cure="Declare the DestinationRule for the client's cluster too, with this subset",
    source="https://github.com/istio/istio/issues/33253",
)
NO_ENDPOINT = Cause(
    "SM716",
    "nobody to send to",
    "error",
    symptom="503 with the flag UH (no healthy upstream) for the share of requests that goes there",
    cause="No ready pod fits the Service's selector and the subset's labels in any cluster that this client may reach, "
    "or the port has another name where the pods are",
    cure="Correct what the message names: selector, labels of the subset, port name, or the pods that are not ready; a "
    "weight to a subset without pods is lost",
    source="https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/",
)
UNHEALTHY = Cause(
    "SM717",
    "every endpoint is ejected or unhealthy",
    "error",
    symptom="503 with the flag UH (no healthy upstream), while pods are ready",
    cause="The client's proxy has ejected them by outlierDetection after errors, or istiod marks them as unhealthy",
    cure="Look at why they answered with errors; a gateway stands for all pods behind it, so that one of them can "
    "eject "
    "a whole cluster: consecutiveGatewayErrors, and maxEjectionPercent below 100",
    source="https://github.com/istio/istio/issues/52435",
)
RAW_ADDRESS = Cause(
    "SM718",
    "address of a pod on another network",
    "error",
    symptom="Requests time out, or reach a pod of the client's own cluster that happens to have the same address",
    cause="istiod of the client's cluster knows no gateway for the network that the pod is on, and gives out its "
    "address",
    cure="Give that cluster's east-west gateway an address and the label topology.istio.io/network; `spanmesh "
    "diagnose` "
    "says what is missing",
    source="https://github.com/istio/istio/issues/49412",
)
NO_SNI = Cause(
    "SM719",
    "serving cluster's gateway does not know what the client asks for",
    "error",
    symptom="503 with the flags UF,URX and `Connection_reset_by_peer` for the share that goes to that cluster; its "
    "gateway logs `filter_chain_not_found`",
    cause="The gateway passes on only server names that its own istiod knows: the Service, its port, or the subset "
    "of a "
    "DestinationRule is missing in the serving cluster",
    cure="Declare the same Service and DestinationRule, with the subset, in the serving cluster",
    source="https://github.com/istio/istio/issues/33253",
)
TLS_MODE = Cause(
    "SM720",
    "the two sides do not agree on TLS",
    "error",
    symptom="503 with the flag UF or UC: `Connection reset by peer`, `WRONG_VERSION_NUMBER`, or a connection that ends "
    "at once",
    cause="One side speaks plain text or TLS of another kind where the other requires Istio's mutual TLS: a "
    "DestinationRule's `tls.mode`, a PeerAuthentication, or a pod without sidecar",
    cure="Remove `tls` from the DestinationRule (Istio chooses mutual TLS itself), or set ISTIO_MUTUAL; or let the "
    "PeerAuthentication be PERMISSIVE while clients without sidecar remain",
    source="https://istio.io/latest/docs/ops/common-problems/network-issues/#503-errors-after-setting-destination-rule",
)
UNINJECTED = Cause(
    "SM721",
    "server without sidecar on another network",
    "error",
    symptom="The pods run and are ready, and other clusters send them nothing",
    cause="An east-west gateway passes on Istio's mutual TLS only, so istiod leaves pods without sidecar out of "
    "what it "
    "gives to other networks",
    cure="Label the server's namespace for injection and make its pods anew",
    source="https://github.com/istio/istio/issues/37258",
)
CERTIFICATE = Cause(
    "SM722",
    "one side does not take the other's certificate",
    "error",
    symptom="503 with the flag UF and `CERTIFICATE_VERIFY_FAILED` or `SAN matcher`",
    cause="No common root, a certificate out of its time, or a server that is not who the client was told: the names "
    "that it expects come from the ServiceAccounts of the pods",
    cure="`spanmesh verify` compares the roots of all clusters; pods that started before the shared root need a "
    "restart; "
    "run the server under the same ServiceAccount name everywhere, or list its names in `subjectAltNames`",
    source=SECURITY_ISSUES,
)
DENIED = Cause(
    "SM723",
    "AuthorizationPolicy refuses the request",
    "error",
    symptom="403 `RBAC: access denied`, or a TCP connection that is closed at once",
    cause="An AuthorizationPolicy of the server's cluster denies it, or there is an ALLOW policy and none of its rules "
    "fits",
    cure="Add a rule for this client (its principal is in the message) in every cluster that serves",
    source="https://istio.io/latest/docs/ops/common-problems/security-issues/"
    "#authorization-is-too-restrictive-or-permissive",
)
NO_CONNECTION = Cause(
    "SM724",
    "no connection to the next hop",
    "error",
    symptom="503 with the flag UF: connection timeout, refused or reset",
    cause="The address cannot be reached from the client's cluster, something between ends or refuses the "
    "connection, or "
    "nothing listens there: a load balancer's source ranges, a firewall, a load balancer that ends TLS",
    cure="See that the client's cluster may open port 15443 of the serving cluster's gateway, as TCP; `spanmesh "
    "verify` "
    "tries every pair of clusters",
    source=FLAGS,
)
NOBODY_LISTENS = Cause(
    "SM725",
    "the application does not take the connection",
    "error",
    symptom="503 with the flag UF in the server's own access log",
    cause="Nothing listens at the Service's targetPort in the pod, or the application closed the connection",
    cure="Correct the targetPort of the Service, or see the application's log",
    source=REQUIREMENTS,
)
FAULT = Cause(
    "SM726",
    "fault injected on purpose",
    "error",
    symptom="The status of the fault, with the flag FI in the client's access log",
    cause="The VirtualService's `fault` aborts requests",
    cure="Remove `fault` from the VirtualService",
    source="https://istio.io/latest/docs/tasks/traffic-management/fault-injection/",
)
NO_ANSWER = Cause(
    "SM727",
    "the request got no good answer",
    "error",
    symptom="A status of 5xx that the configuration does not explain",
    cause="The flags and details in the message are Envoy's own reason",
    cure="Look the flags up at the source",
    source=FLAGS,
)

EXPLAIN = Check(
    "explain",
    "one request reaches its server (`spanmesh explain`; not of `--only`)",
    (
        NO_PROXY,
        NO_NAME,
        NO_PORT,
        NO_ROUTE,
        NO_HOST,
        NO_SUBSET,
        NO_ENDPOINT,
        UNHEALTHY,
        RAW_ADDRESS,
        NO_SNI,
        TLS_MODE,
        UNINJECTED,
        CERTIFICATE,
        DENIED,
        NO_CONNECTION,
        NOBODY_LISTENS,
        FAULT,
        NO_ANSWER,
    ),
)
CAUSES = EXPLAIN.causes
