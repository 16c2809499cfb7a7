"""Check the resources that Kubernetes gets.

Core kinds are checked by Kubernetes' own schemas (strict), custom resources by their definitions,
and pod templates as pods wherever they stand.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy import crds
from deploy.check_docker import SECRET
from deploy.check_ray import DEVICES, EDGE
from deploy.documents import document, documents

MOST = 1 << 20  # bytes of a ConfigMap


def crds_source() -> str:
    """Say by which definitions the custom resources are checked."""
    folder = os.environ.get(crds.VARIABLE)
    return (
        f"custom resources by the definitions in {folder}"
        if folder
        else f"custom resources by our list of their fields ({crds.VARIABLE}=FOLDER: by the "
        f"operators' definitions)"
    )


def _by_schema(resource: dict[str, Any]) -> list[str]:
    """List a resource's mistakes by its schema."""
    import jsonschema
    import kubernetes_validate

    if not isinstance(resource, dict) or not {"apiVersion", "kind"} <= resource.keys():
        return ["a resource needs apiVersion and kind"]
    api_version = resource["apiVersion"]
    kind = resource["kind"]
    if "." in str(api_version).split("/")[0] and not str(api_version).split("/")[0].endswith(
        ".k8s.io"
    ):
        validator = jsonschema.Draft202012Validator(crds.schema_of(api_version, kind))
        return [_line(error) for error in validator.iter_errors(resource)]
    try:
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        return [error.message]
    except kubernetes_validate.ValidationError as error:
        return [_line(error)]
    return []


def _line(error: Any) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    return f"{where}: {error.message}"[:400] if where else str(error.message)[:400]


def core(root: Path, path: Path) -> list[str]:
    """List complaints about resources of Kubernetes itself."""
    return [line for resource in documents(path) for line in _by_schema(resource)]


def cluster(root: Path, path: Path) -> list[str]:
    """List complaints about a RayCluster: fields, pods, places for the edge and for devices."""
    resource = document(path)
    return _by_schema(resource) or list(_ray_cluster(root, resource["spec"], "spec"))


def job(root: Path, path: Path) -> list[str]:
    """List complaints about a RayJob: its cluster is cluster.yaml's, and ends with the job."""
    resource = document(path)
    if complaints := _by_schema(resource):
        return complaints
    spec = resource["spec"]
    complaints = list(_ray_cluster(root, spec["rayClusterSpec"], "spec.rayClusterSpec"))
    complaints += _pod(spec["submitterPodTemplate"], "spec.submitterPodTemplate")
    if spec["rayClusterSpec"] != document(path.parent / "cluster.yaml")["spec"]:
        complaints.append("spec.rayClusterSpec is not the spec of cluster.yaml: copy it from there")
    if not (spec.get("shutdownAfterJobFinishes") and spec.get("activeDeadlineSeconds")):
        complaints.append(
            "must end its cluster: shutdownAfterJobFinishes, and activeDeadlineSeconds whatever "
            "happens"
        )
    return complaints


def _ray_cluster(root: Path, spec: dict[str, Any], where: str) -> Iterator[str]:
    pinned = re.search(r"^ray==(.*)$", (root / "constraints.txt").read_text(), re.M)
    if pinned and spec.get("rayVersion") != pinned[1]:
        yield f"{where}.rayVersion must be {pinned[1]}, as constraints.txt installs it"
    if spec.get("authOptions", {}).get("mode") != "token":
        yield f"{where}.authOptions.mode must be token"
    yield from _pod(spec["headGroupSpec"]["template"], f"{where}.headGroupSpec.template")
    offers: dict[str, bool] = {}
    for index, group in enumerate(spec["workerGroupSpecs"]):
        yield from _pod(group["template"], f"{where}.workerGroupSpecs.{index}.template")
        gpu = "nvidia.com/gpu" in str(group["template"])
        offers |= {
            name: gpu
            for name in (EDGE, DEVICES)
            if name in group["rayStartParams"].get("resources", "")
        }
    if not offers.get(EDGE):
        yield f"{where}.workerGroupSpecs: a group with a GPU must offer {EDGE}"
    if DEVICES not in offers:
        yield f"{where}.workerGroupSpecs: a group must offer {DEVICES}"


def _pod(template: dict[str, Any], where: str) -> list[str]:
    """List complaints about a pod template, by Kubernetes' schema and by ours.

    Ours: each container has no more rights than it needs, states what it uses, has an image with a
    version, mounts volumes of the pod, and takes secrets from a secret.
    """
    whole = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "checked"},
        "template": template,
    }
    if complaints := _by_schema(whole):
        return [f"{where}: {line.removeprefix('template.')}" for line in complaints]
    spec = template["spec"]
    complaints = []
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        complaints.append(f"{where}: securityContext.runAsNonRoot must be true")
    for container in spec["containers"]:
        here = f"{where}: container {container['name']}"
        security = container.get("securityContext", {})
        resources = container.get("resources", {})
        if security.get("allowPrivilegeEscalation") is not False or "ALL" not in security.get(
            "capabilities", {}
        ).get("drop", []):
            complaints.append(
                f"{here}: securityContext must drop ALL capabilities and refuse privilege "
                f"escalation"
            )
        if not all(
            {"cpu", "memory"} <= resources.get(kind, {}).keys() for kind in ("requests", "limits")
        ):
            complaints.append(f"{here}: resources must request and limit cpu and memory")
        if not re.search(r":[\w.-]*\d[\w.-]*$", container.get("image", "")):
            complaints.append(f"{here}: image needs a version")
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        complaints += [
            f"{here}: mounts {mount['name']}, which is no volume"
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in volumes
        ]
        complaints += [
            f"{here}: {entry['name']} must come from a secret"
            for entry in container.get("env", [])
            if SECRET.search(entry["name"]) and "value" in entry
        ]
    return complaints


def pod_monitor(root: Path, path: Path) -> list[str]:
    """List complaints about a PodMonitor: cluster.yaml's pods have its ports and labels."""
    resource = document(path)
    if complaints := _by_schema(resource):
        return complaints
    spec = document(path.parent / "cluster.yaml")["spec"]
    templates = [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    selector = resource["spec"]["selector"].get("matchLabels", {}).items()
    selection = [
        template for template in templates if selector <= template["metadata"]["labels"].items()
    ]
    ports = {
        port["name"]
        for template in selection
        for container in template["spec"]["containers"]
        for port in container.get("ports", [])
    }
    complaints = []
    if len(selection) < len(templates):
        complaints.append("spec.selector does not find every pod of cluster.yaml")
    for index, endpoint in enumerate(resource["spec"]["podMetricsEndpoints"]):
        if endpoint.get("port") not in ports:
            complaints.append(
                f"spec.podMetricsEndpoints.{index}: no pod of cluster.yaml names a port "
                f"{endpoint.get('port')}"
            )
    return complaints


def scenario(root: Path, path: Path) -> list[str]:
    """List complaints about a scenario in a ConfigMap, as midstep itself reads it."""
    from midstep.errors import MidstepError
    from midstep.scenario_file import load

    try:
        load(str(path))
    except MidstepError as error:
        return [str(error)]
    return []


def kustomization(root: Path, path: Path) -> list[str]:
    """List complaints about what `kubectl apply -k deploy` sends: ours, and kubectl's too."""
    folder = path.parent
    tree = document(path)
    known = {"apiVersion", "kind", "resources", "generatorOptions", "configMapGenerator"}
    complaints = [
        f"{key} is not a key that is used here: {sorted(known)}"
        for key in sorted(tree.keys() - known)
    ]
    if (tree.get("apiVersion"), tree.get("kind")) != (
        "kustomize.config.k8s.io/v1beta1",
        "Kustomization",
    ):
        complaints.append("must be kustomize.config.k8s.io/v1beta1, Kustomization")
    for name in tree.get("resources", []):
        if not (folder / name).is_file():
            complaints.append(f"resources: {name} is not there")
    for entry in tree.get("configMapGenerator", []):
        complaints += _config_map(folder, entry)
    dashboards = {
        f"grafana/dashboards/{path.name}"
        for path in (folder / "grafana" / "dashboards").glob("*.json")
    }
    listed = {
        name for entry in tree.get("configMapGenerator", []) for name in entry.get("files", [])
    }
    complaints += [f"configMapGenerator: {name} is missing" for name in sorted(dashboards - listed)]
    return complaints or _kubectl(folder)


def _config_map(folder: Path, entry: dict[str, Any]) -> list[str]:
    missing = [name for name in entry.get("files", []) if not (folder / name).is_file()]
    if missing or not entry.get("files"):
        return [
            f"configMapGenerator {entry.get('name')}: {', '.join(missing) or 'files'} is not there"
        ]
    data = {Path(name).name: (folder / name).read_text() for name in entry["files"]}
    labels = entry.get("options", {}).get("labels", {})
    metadata = {"name": entry.get("name"), "labels": labels}
    complaints = _by_schema(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    )
    if sum(map(len, data.values())) > MOST:
        complaints.append("is larger than Kubernetes takes: 1 MiB")
    return [f"configMapGenerator {entry.get('name')}: {line}" for line in complaints]


def _kubectl(folder: Path) -> list[str]:
    binary = shutil.which("kubectl")
    if binary is None:
        return []
    result = subprocess.run([binary, "kustomize", str(folder)], capture_output=True, text=True)
    if result.returncode:
        return [f"kubectl kustomize: {' '.join(result.stderr.split())}"]
    return [line for resource in yaml.safe_load_all(result.stdout) for line in _by_schema(resource)]
