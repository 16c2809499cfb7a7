"""Check every file that starts midstep somewhere, offline, each with a real validator: `python -m
deploy.check`.

hadolint reads the Dockerfile, compose-spec the compose files, Ray's own validator the files of `ray
up`, the Kubernetes schemas (strict) what Kubernetes gets, midstep itself the scenario. What those
cannot know (that the edge's node offers `midstep-edge`, that nothing is published beyond loopback)
is checked beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from deploy import check_docker, check_kubernetes, check_ray

ROOT = Path(__file__).parents[1]
Check = Callable[[Path, Path], list[str]]

CHECKS: dict[str, Check] = {
    "deploy/docker/Dockerfile": check_docker.dockerfile,
    "deploy/docker/Dockerfile.dockerignore": check_docker.ignored,
    "deploy/compose/compose.yaml": check_docker.compose,
    "deploy/compose/gpu.yaml": check_docker.compose,
    "deploy/ray/aws.yaml": check_ray.cloud,
    "deploy/ray/gcp.yaml": check_ray.cloud,
    "deploy/ray/own.yaml": check_ray.own,
    "deploy/kustomization.yaml": check_kubernetes.kustomization,
    "deploy/kuberay/cluster.yaml": check_kubernetes.cluster,
    "deploy/kuberay/job.yaml": check_kubernetes.job,
    "deploy/kuberay/podmonitor.yaml": check_kubernetes.pod_monitor,
    "deploy/kuberay/runs.yaml": check_kubernetes.core,
    "deploy/kuberay/scenario.yaml": check_kubernetes.scenario,
}


def problems(root: Path, name: str) -> list[str]:
    """What is wrong with one file of `root`, a line each, beginning with its name."""
    path = root / name
    try:
        found = CHECKS[name](root, path)
    except (OSError, ValueError) as error:  # not there, not YAML
        found = [" ".join(str(error).split())]
    return [f"{name}: {line}" for line in found]


def main() -> int:
    """Exit status: 0 all are right, 1 something is wrong."""
    found = [line for name in CHECKS for line in problems(ROOT, name)]
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print(f"{len(CHECKS)} files of deploy/ are right; {check_kubernetes.crds_told()}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
