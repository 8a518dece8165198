"""Policy of many Services, as a stack would declare it: ten documents of ten kinds for each Service."""

from pathlib import Path

from policy.world import Live, Pods, Service, ServicePort
from topology import Mesh, load_mesh

VERSIONS = ("v1", "v2")
PORT = 8080
PER_SERVICE = 10
# Of every kind that Istio's pages on traffic management and security declare for a Service.
DOCUMENTS = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{name}.{namespace}.svc.cluster.local]
  http:
    - match:
        - headers: {{x-version: {{exact: v2}}}}
      route:
        - destination: {{host: {name}.{namespace}.svc.cluster.local, subset: v2}}
    - route:
        - destination: {{host: {name}.{namespace}.svc.cluster.local, subset: v1, port: {{number: 8080}}}}
          weight: 80
        - destination: {{host: {name}.{namespace}.svc.cluster.local, subset: v2, port: {{number: 8080}}}}
          weight: 20
      timeout: 5s
      retries: {{attempts: 3, perTryTimeout: 1s, retryOn: "connect-failure,refused-stream,503"}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: {name}.{namespace}.svc.cluster.local
  trafficPolicy:
    connectionPool:
      tcp: {{maxConnections: 100}}
      http: {{http2MaxRequests: 1000, maxRequestsPerConnection: 10}}
    loadBalancer: {{simple: LEAST_REQUEST}}
    outlierDetection: {{consecutive5xxErrors: 7, interval: 30s, baseEjectionTime: 5m, maxEjectionPercent: 50}}
  subsets:
    - {{name: v1, labels: {{version: v1}}}}
    - {{name: v2, labels: {{version: v2}}, trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}-outside, namespace: {namespace}}}
spec:
  hosts: [{name}.example.com]
  ports: [{{number: 443, name: tls, protocol: TLS}}]
  location: MESH_EXTERNAL
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
    - port: {{number: 443, name: https, protocol: HTTPS}}
      hosts: [{name}.example.org]
      tls: {{mode: SIMPLE, credentialName: {name}-certificate}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  workloadSelector: {{labels: {{app: {name}}}}}
  egress:
    - hosts: ["./*", istio-system/*]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}-machine, namespace: {namespace}}}
spec:
  address: 203.0.113.7
  labels: {{app: {name}-machine}}
  serviceAccount: {name}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  mtls: {{mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  action: ALLOW
  rules:
    - from: [{{source: {{principals: [cluster.local/ns/{namespace}/sa/client]}}}}]
      to: [{{operation: {{methods: [GET, POST], paths: ["/api/*"]}}}}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  jwtRules:
    - issuer: https://issuer.example.com
      jwksUri: https://issuer.example.com/keys
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  accessLogging: [{{providers: [{{name: envoy}}]}}]
"""


def services(documents: int) -> list[tuple[str, str]]:
    """Namespace and name of the Services that so many documents are about, ten to a namespace."""
    return [(f"team{n // 10}", f"service{n}") for n in range(-(-documents // PER_SERVICE))]


def write(folder: Path, documents: int) -> None:
    """Write a file for each Service into a folder, ``documents`` documents all together."""
    left = documents
    for namespace, name in services(documents):
        written = DOCUMENTS.format(namespace=namespace, name=name).split("\n---\n")[:left]
        (folder / f"{name}.yaml").write_text("\n---\n".join(written))
        left -= len(written)


def mesh(clusters: int) -> Mesh:
    """A fully linked mesh, every cluster in a region and on a network of its own; its policy is ``policies``."""
    declared = [
        {
            "name": f"cluster{n}",
            "region": f"region{n}",
            "network": f"network{n}",
            "apiServer": f"https://cluster{n}.example.com:6443",
            "eastWest": {"sourceRanges": ["203.0.113.0/24"]},
        }
        for n in range(1, clusters + 1)
    ]
    return load_mesh({"clusters": declared, "policies": ["policies"]})


def live(documents: int) -> Live:
    """What each cluster holds: every Service, and a pod of each version."""
    known = services(documents)
    pods = [
        Pods(namespace, {"app": name, "version": version}, injected=True, ready=1)
        for namespace, name in known
        for version in VERSIONS
    ]
    found = [
        Service(namespace, name, (ServicePort("http", PORT),), selector={"app": name}) for namespace, name in known
    ]
    return Live(tuple(found), tuple(pods), dict.fromkeys((namespace for namespace, _ in known), True))
