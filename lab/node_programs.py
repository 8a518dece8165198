"""What runs on the machines of a region, with which settings."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import cgroups
from lab.commands import find_program, require_program
from lab.errors import LabError
from lab.kubeconfig import kubeconfig
from lab.machine_init import NODE_FOLDER
from lab.plan import (
    API_PORT,
    DNS_SERVICE_ADDRESS,
    SERVICE_NETWORK,
    LabPlan,
    NodePlan,
    RegionPlan,
)
from lab.state import LabFolders
from lab.supervision import Program

CLOUD_FILE = "cloud.json"
PAUSE_IMAGE = "localhost/pause:1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
# Two regions share the machine: less garbage at once is worth more here than a little speed.
_GO = {"GOGC": "75"}
_CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))


@dataclass(frozen=True)
class RegionPrograms:
    """The programs of one region's machines.

    Args:
        plan: the lab.
        region: the region.
        folders: the lab's folders.
        kubernetes: the binary with all Kubernetes programs.
    """

    plan: LabPlan
    region: RegionPlan
    folders: LabFolders
    kubernetes: Path

    def node(self, node: NodePlan) -> list[Program]:
        """All programs of one node; those that need a working API server do not start by themselves."""
        programs = [
            Program("containerd", [str(require_program("containerd")), "-c", f"{NODE_FOLDER}/containerd.toml"], _GO)
        ]
        if node == self.region.control_plane:
            programs = [self._etcd(), self._apiserver(), *programs, self._controller_manager(), self._scheduler()]
        return [*programs, self._kubelet(node), self._proxy()]

    def node_files(self, node: NodePlan) -> dict[str, str]:
        """Configuration files of one node."""
        files = {
            "containerd.toml": _containerd_config(),
            "cni/10-pods.conflist": _cni_config(node),
            "kubelet.yaml": self._kubelet_config(node),
            "kubelet.conf": self._kubeconfig(node.name),
            "kube-proxy.yaml": _proxy_config(node),
            "kube-proxy.conf": self._kubeconfig("kube-proxy"),
        }
        if node == self.region.control_plane:
            for program in ("kube-controller-manager", "kube-scheduler"):
                files[f"{program}.conf"] = self._kubeconfig(program)
        return files

    def late_programs(self, node: NodePlan) -> list[str]:
        """The programs of one node to start once the API server works."""
        return [program.name for program in self.node(node) if not program.autostart]

    def router(self) -> list[Program]:
        """All programs of the region's router."""
        api = f"{self.region.control_plane.address}:{API_PORT}"
        listen = f"UNIX-LISTEN:{api_socket(self.folders, self.region)},fork,unlink-early,mode=600"
        controller = [sys.executable, "-P", "-m", "lab.load_balancer", f"{NODE_FOLDER}/load-balancer.json"]
        return [
            Program("api-forwarder", [str(require_program("socat")), listen, f"TCP4:{api}"]),
            Program("load-balancer", controller, {"PYTHONUNBUFFERED": "1"}, autostart=False),
        ]

    def router_files(self) -> dict[str, str]:
        """Configuration files of the region's router."""
        settings = {
            "region": self.region.name,
            "kubeconfig": f"{NODE_FOLDER}/load-balancer.conf",
            "router": str(self.region.api_address),
            # Not among the machine's files: the controller reads it anew when it changes.
            "cloud": f"{NODE_FOLDER}/{CLOUD_FILE}",
            "pool": [str(address) for address in self.region.load_balancer_pool],
        }
        return {
            "load-balancer.json": json.dumps(settings, indent=2),
            "load-balancer.conf": self._kubeconfig("load-balancer"),
        }

    @property
    def _pki(self) -> Path:
        return self.folders.pki(self.region.name)

    def _kubeconfig(self, identity: str) -> str:
        server = f"https://{self.region.control_plane.address}:{API_PORT}"
        return kubeconfig(server, self._pki, identity, name=self.region.cluster)

    def _etcd(self) -> Program:
        command = [
            str(require_program("etcd")),
            f"--data-dir={NODE_FOLDER}/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--auto-compaction-retention=10m",
        ]
        return Program("etcd", command, _GO)

    def _apiserver(self) -> Program:
        pki = self._pki
        command = [
            str(self.kubernetes),
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={self.region.control_plane.address}",
            f"--secure-port={API_PORT}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            # Names of nodes are known nowhere.
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        ]
        # After SIGTERM it waits up to a minute for open watches to end; nothing is lost by not waiting with it.
        return Program("kube-apiserver", command, _GO, stop_seconds=5)

    def _controller_manager(self) -> Program:
        pki, config = self._pki, f"{NODE_FOLDER}/kube-controller-manager.conf"
        command = [
            str(self.kubernetes),
            "kube-controller-manager",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            f"--cluster-cidr={self.region.pod_network}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--profiling=false",
        ]
        return Program("kube-controller-manager", command, _GO, autostart=False)

    def _scheduler(self) -> Program:
        config = f"{NODE_FOLDER}/kube-scheduler.conf"
        command = [
            str(self.kubernetes),
            "kube-scheduler",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--profiling=false",
        ]
        return Program("kube-scheduler", command, _GO, autostart=False)

    def _kubelet(self, node: NodePlan) -> Program:
        labels = f"topology.kubernetes.io/region={self.region.name},topology.kubernetes.io/zone={node.zone}"
        command = [
            str(self.kubernetes),
            "kubelet",
            f"--config={NODE_FOLDER}/kubelet.yaml",
            f"--kubeconfig={NODE_FOLDER}/kubelet.conf",
            f"--hostname-override={node.name}",
            f"--root-dir={NODE_FOLDER}/kubelet",
            f"--cert-dir={NODE_FOLDER}/kubelet-pki",
            f"--node-ip={node.address}",
            f"--node-labels={labels}",
        ]
        return Program("kubelet", command, _GO, autostart=False)

    def _proxy(self) -> Program:
        command = [str(self.kubernetes), "kube-proxy", f"--config={NODE_FOLDER}/kube-proxy.yaml"]
        return Program("kube-proxy", command, _GO, autostart=False)

    def _kubelet_config(self, node: NodePlan) -> str:
        pki = self._pki
        return yaml.safe_dump(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "failCgroupV1": False,
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": cgroups.machine_group(self.plan.name, node.machine),
                "enforceNodeAllocatable": [],
                "authentication": {
                    "x509": {"clientCAFile": f"{pki}/ca.crt"},
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": True},
                },
                "authorization": {"mode": "Webhook"},
                "tlsCertFile": f"{pki}/{node.name}-serving.crt",
                "tlsPrivateKeyFile": f"{pki}/{node.name}-serving.key",
                "clusterDNS": [str(DNS_SERVICE_ADDRESS)],
                "clusterDomain": "cluster.local",
                "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
                # Nothing outside the lab is to be resolved.
                "resolvConf": "/dev/null",
                "failSwapOn": False,
                "podLogsDir": f"{NODE_FOLDER}/pods",
                "volumePluginDir": f"{NODE_FOLDER}/volume-plugins",
                # Images cannot be pulled again, so they must never be collected.
                "imageGCHighThresholdPercent": 100,
                "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
                "oomScoreAdj": 0,
                "shutdownGracePeriod": "0s",
            },
            sort_keys=False,
        )


def api_socket(folders: LabFolders, region: RegionPlan) -> Path:
    """The socket through which the host reaches a region's API server."""
    return folders.run / f"{region.name}-api.sock"


def host_programs(folders: LabFolders, plan: LabPlan, ports: dict[str, int]) -> list[Program]:
    """What runs in the host's own network: per region a forwarder from 127.0.0.1 to its API server."""
    socat = str(require_program("socat"))
    return [
        Program(
            f"{region.name}-api",
            [
                socat,
                f"TCP4-LISTEN:{ports[region.name]},bind=127.0.0.1,reuseaddr,fork",
                f"UNIX-CONNECT:{api_socket(folders, region)}",
            ],
        )
        for region in plan.regions
    ]


def cni_folder() -> Path | None:
    """Where the distribution keeps the CNI plug-ins, or None if they are not installed."""
    return next((folder for folder in _CNI_FOLDERS if (folder / "bridge").exists()), None)


def _containerd_config() -> str:
    cni = cni_folder()
    if cni is None:
        raise LabError(f"CNI plug-ins are not installed (looked in {', '.join(map(str, _CNI_FOLDERS))})")
    runc = find_program("runc")
    if runc is None:
        raise LabError("program runc is not installed")
    return f"""version = 2
root = "{NODE_FOLDER}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # A machine without CAP_SYS_RESOURCE may not lower it, and runc would fail.
  restrict_oom_score_adj = true
  max_concurrent_downloads = 1
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{NODE_FOLDER}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
"""


def _cni_config(node: NodePlan) -> str:
    # No masquerade: a pod's address stays visible in its region, and the router hides it from the WAN.
    pods = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(node.pod_network)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni-addresses",
        },
    }
    plugins = [pods, {"type": "portmap", "capabilities": {"portMappings": True}}]
    # 0.4.0 is what the oldest supported distribution's plug-ins speak.
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}, indent=2)


def _proxy_config(node: NodePlan) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": str(node.region_pods),
            "clientConnection": {"kubeconfig": f"{NODE_FOLDER}/kube-proxy.conf"},
            # The limit is the whole host's, and not a namespace's to set.
            "conntrack": {"maxPerCore": 0},
            "hostnameOverride": node.name,
            "oomScoreAdj": 0,
            "iptables": {"minSyncPeriod": "100ms"},
        },
        sort_keys=False,
    )
