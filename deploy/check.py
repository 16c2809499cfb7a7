"""Check every file that starts midstep somewhere, offline: `python -m deploy.check`.

Each file is read by a real validator: the Dockerfile by hadolint, the compose files by
compose-spec, the files of `ray up` by Ray, the Kubernetes resources by Kubernetes' own schemas
(strict), the scenario by midstep. What no validator can know (that the edge's node offers
`midstep-edge`, that no port is published beyond loopback) is checked beside them.
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
    "deploy/docker/Dockerfile.dockerignore": check_docker.dockerignore,
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
    """List what is wrong with one file of `root`, a line each that begins with the file's name."""
    path = root / name
    try:
        complaints = CHECKS[name](root, path)
    except (OSError, ValueError) as error:  # no such file, or no YAML
        complaints = [" ".join(str(error).split())]
    return [f"{name}: {line}" for line in complaints]


def main() -> int:
    """Check every file; the exit status: 0 all are right, 1 something is wrong."""
    complaints = [line for name in CHECKS for line in problems(ROOT, name)]
    for line in complaints:
        print(line, file=sys.stderr)
    if not complaints:
        print(f"{len(CHECKS)} files of deploy/ are right; {check_kubernetes.crds_source()}")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
