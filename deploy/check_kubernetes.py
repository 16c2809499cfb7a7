"""What Kubernetes gets: core kinds by its own schemas (strict), custom ones by their definitions,
pods as pods."""

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


def crds_told() -> str:
    """By what the custom resources were checked, for people."""
    folder = os.environ.get(crds.VARIABLE)
    return (
        f"custom resources by the definitions in {folder}"
        if folder
        else f"custom resources by our list of their fields ({crds.VARIABLE}=FOLDER: by the "
        f"operators' definitions)"
    )


def _validated(resource: dict[str, Any]) -> list[str]:
    """A resource by its schema, a line a mistake."""
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
    """Resources of Kubernetes itself."""
    return [line for resource in documents(path) for line in _validated(resource)]


def cluster(root: Path, path: Path) -> list[str]:
    """A RayCluster: its fields, its pods, and that edge and devices have their places."""
    resource = document(path)
    return _validated(resource) or list(_ray_cluster(root, resource["spec"], "spec"))


def job(root: Path, path: Path) -> list[str]:
    """A RayJob on a cluster that is cluster.yaml's, which ends with it."""
    resource = document(path)
    if found := _validated(resource):
        return found
    spec = resource["spec"]
    found = list(_ray_cluster(root, spec["rayClusterSpec"], "spec.rayClusterSpec"))
    found += _pod(spec["submitterPodTemplate"], "spec.submitterPodTemplate")
    if spec["rayClusterSpec"] != document(path.parent / "cluster.yaml")["spec"]:
        found.append("spec.rayClusterSpec is not the spec of cluster.yaml: copy it from there")
    if not (spec.get("shutdownAfterJobFinishes") and spec.get("activeDeadlineSeconds")):
        found.append(
            "must end its cluster: shutdownAfterJobFinishes, and activeDeadlineSeconds whatever "
            "happens"
        )
    return found


def _ray_cluster(root: Path, spec: dict[str, Any], where: str) -> Iterator[str]:
    pinned = re.search(r"^ray==(.*)$", (root / "constraints.txt").read_text(), re.M)
    if pinned and spec.get("rayVersion") != pinned[1]:
        yield f"{where}.rayVersion must be {pinned[1]}, as constraints.txt installs it"
    if spec.get("authOptions", {}).get("mode") != "token":
        yield f"{where}.authOptions.mode must be token"
    yield from _pod(spec["headGroupSpec"]["template"], f"{where}.headGroupSpec.template")
    offered: dict[str, bool] = {}
    for index, group in enumerate(spec["workerGroupSpecs"]):
        yield from _pod(group["template"], f"{where}.workerGroupSpecs.{index}.template")
        gpu = "nvidia.com/gpu" in str(group["template"])
        offered |= {
            name: gpu
            for name in (EDGE, DEVICES)
            if name in group["rayStartParams"].get("resources", "")
        }
    if not offered.get(EDGE):
        yield f"{where}.workerGroupSpecs: a group with a GPU must offer {EDGE}"
    if DEVICES not in offered:
        yield f"{where}.workerGroupSpecs: a group must offer {DEVICES}"


def _pod(template: dict[str, Any], where: str) -> list[str]:
    """A pod template by Kubernetes' own schema, whatever it stands in; and what we ask of each
    container."""
    whole = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "checked"},
        "template": template,
    }
    if found := _validated(whole):
        return [f"{where}: {line.removeprefix('template.')}" for line in found]
    spec = template["spec"]
    found = []
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        found.append(f"{where}: securityContext.runAsNonRoot must be true")
    for container in spec["containers"]:
        here = f"{where}: container {container['name']}"
        security = container.get("securityContext", {})
        resources = container.get("resources", {})
        if security.get("allowPrivilegeEscalation") is not False or "ALL" not in security.get(
            "capabilities", {}
        ).get("drop", []):
            found.append(
                f"{here}: securityContext must drop ALL capabilities and refuse privilege "
                f"escalation"
            )
        if not all(
            {"cpu", "memory"} <= resources.get(kind, {}).keys() for kind in ("requests", "limits")
        ):
            found.append(f"{here}: resources must request and limit cpu and memory")
        if not re.search(r":[\w.-]*\d[\w.-]*$", container.get("image", "")):
            found.append(f"{here}: image needs a version")
        mounted = {volume["name"] for volume in spec.get("volumes", [])}
        found += [
            f"{here}: mounts {mount['name']}, which is no volume"
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in mounted
        ]
        found += [
            f"{here}: {entry['name']} must come from a secret"
            for entry in container.get("env", [])
            if SECRET.search(entry["name"]) and "value" in entry
        ]
    return found


def pod_monitor(root: Path, path: Path) -> list[str]:
    """A PodMonitor that finds ports and labels which the pods of cluster.yaml have."""
    resource = document(path)
    if found := _validated(resource):
        return found
    spec = document(path.parent / "cluster.yaml")["spec"]
    templates = [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    asked = resource["spec"]["selector"].get("matchLabels", {}).items()
    met = [template for template in templates if asked <= template["metadata"]["labels"].items()]
    ports = {
        port["name"]
        for made in met
        for one in made["spec"]["containers"]
        for port in one.get("ports", [])
    }
    found = (
        []
        if len(met) == len(templates)
        else ["spec.selector does not find every pod of cluster.yaml"]
    )
    for index, endpoint in enumerate(resource["spec"]["podMetricsEndpoints"]):
        if endpoint.get("port") not in ports:
            found.append(
                f"spec.podMetricsEndpoints.{index}: no pod of cluster.yaml names a port "
                f"{endpoint.get('port')}"
            )
    return found


def scenario(root: Path, path: Path) -> list[str]:
    """midstep's own reading."""
    from midstep.errors import ScenarioError
    from midstep.scenario_file import load

    try:
        load(str(path))
    except ScenarioError as error:
        return [str(error)]
    return []


def kustomization(root: Path, path: Path) -> list[str]:
    """What `kubectl apply -k deploy` would send: made here, and by kubectl where that is
    installed."""
    tree = document(path)
    known = {"apiVersion", "kind", "resources", "generatorOptions", "configMapGenerator"}
    found = [
        f"{key} is not a key that is used here: {sorted(known)}"
        for key in sorted(tree.keys() - known)
    ]
    if (tree.get("apiVersion"), tree.get("kind")) != (
        "kustomize.config.k8s.io/v1beta1",
        "Kustomization",
    ):
        found.append("must be kustomize.config.k8s.io/v1beta1, Kustomization")
    for name in tree.get("resources", []):
        if not (path.parent / name).is_file():
            found.append(f"resources: {name} is not there")
    for entry in tree.get("configMapGenerator", []):
        found += _config_map(path.parent, entry)
    dashboards = {
        f"grafana/dashboards/{made.name}"
        for made in (path.parent / "grafana" / "dashboards").glob("*.json")
    }
    taken = {
        name for entry in tree.get("configMapGenerator", []) for name in entry.get("files", [])
    }
    found += [f"configMapGenerator: {name} is missing" for name in sorted(dashboards - taken)]
    return found or _kubectl(path.parent)


def _config_map(folder: Path, entry: dict[str, Any]) -> list[str]:
    missing = [name for name in entry.get("files", []) if not (folder / name).is_file()]
    if missing or not entry.get("files"):
        return [
            f"configMapGenerator {entry.get('name')}: {', '.join(missing) or 'files'} is not there"
        ]
    data = {Path(name).name: (folder / name).read_text() for name in entry["files"]}
    labels = entry.get("options", {}).get("labels", {})
    metadata = {"name": entry.get("name"), "labels": labels}
    found = _validated(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    )
    if sum(map(len, data.values())) > MOST:
        found.append("is larger than Kubernetes takes: 1 MiB")
    return [f"configMapGenerator {entry.get('name')}: {line}" for line in found]


def _kubectl(folder: Path) -> list[str]:
    binary = shutil.which("kubectl")
    if binary is None:
        return []
    done = subprocess.run([binary, "kustomize", str(folder)], capture_output=True, text=True)
    if done.returncode:
        return [f"kubectl kustomize: {' '.join(done.stderr.split())}"]
    return [line for made in yaml.safe_load_all(done.stdout) for line in _validated(made)]
