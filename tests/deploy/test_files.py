"""Every file of deploy/ passes its real validator, which reports a typical error in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy import check, crds

ROOT = Path(__file__).parents[2]
BESIDE = (
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "LICENSE",
    "NOTICE",
    "midstep",
    "edge_node",
    "user_agent",
    "orchestrator",
)

# (file, its text, a typical mistake in its place, a word of the complaint)
PLANTED = [
    (
        "docker/Dockerfile",
        "COPY orchestrator ./orchestrator",
        "COPI orchestrator ./orchestrator",
        "unexpected 'C'",
    ),
    ("docker/Dockerfile", "--no-install-recommends ", "", "DL3015"),
    ("docker/Dockerfile", "COPY edge_node ./edge_node\n", "", "edge_node"),
    (
        "docker/Dockerfile",
        "COPY midstep ./midstep",
        "COPY midstepp ./midstep",
        "midstepp: it is not there",
    ),
    ("docker/Dockerfile", "USER 1000:1000\n", "", "root"),
    (
        "docker/Dockerfile",
        "ARG TORCH_INDEX=",
        "ARG TORCH_INDEX=\nARG RAY_AUTH_TOKEN",
        "RAY_AUTH_TOKEN",
    ),
    ("docker/Dockerfile.dockerignore", "!midstep\n", "", "keeps out midstep"),
    ("docker/Dockerfile.dockerignore", "*\n!pyproject", "!pyproject", "must begin with *"),
    ("compose/compose.yaml", "    image: midstep\n", "    imagee: midstep\n", "imagee"),
    ("compose/compose.yaml", "init: true", "init: 7", "invalid type"),
    ("compose/compose.yaml", "interval: 10s", "interval: soon", "soon"),
    ("compose/compose.yaml", '"127.0.0.1:3000:3000"', '"3000:3000"', "open to other machines"),
    (
        "compose/compose.yaml",
        "../prometheus/rules.yml",
        "../prometheus/rule.yml",
        "rule.yml, which is not there",
    ),
    (
        "compose/compose.yaml",
        "${GRAFANA_PASSWORD:?the",
        "${GRAFANA_PASSWORD:-admin} #",
        "GF_SECURITY_ADMIN_PASSWORD",
    ),
    (
        "compose/compose.yaml",
        'ANONYMOUS_ENABLED: "false"',
        'ANONYMOUS_ENABLED: "true"',
        "lets anybody in",
    ),
    ("compose/gpu.yaml", "reservations:", "reservation:", "reservation"),
    ("ray/aws.yaml", "head_node_type: head\n", "head_node_typo: head\n", "head_node_typo"),
    ("ray/aws.yaml", "GPU: 1, midstep-edge: 1", "GPU: one, midstep-edge: 1", "resources.GPU"),
    ("ray/aws.yaml", "max_workers: 5", "max_workers: 1", "max_workers"),
    ("ray/aws.yaml", "GPU: 1, midstep-edge: 1", "GPU: 1", "must offer midstep-edge"),
    ("ray/aws.yaml", "midstep[cluster]", "midstep[clusters]", "no extra clusters"),
    ("ray/aws.yaml", "rsync_exclude: [/.git", "rsync_exclude: [/midstep", "leaves out midstep"),
    (
        "ray/gcp.yaml",
        "node_config:\n      machineType: g2",
        "node_configs:\n      machineType: g2",
        "node_config",
    ),
    ("ray/gcp.yaml", "  ~/.ray/auth_token: ~/.ray/auth_token\n", "", "auth_token"),
    ("ray/gcp.yaml", "--head --port", "--head 'port", "head_start_ray_commands"),
    ("ray/gcp.yaml", "dashboard-host=127.0.0.1", "dashboard-host=0.0.0.0", "127.0.0.1"),
    ("ray/own.yaml", "  head_ip: 192.0.2.10\n", "", "head_ip"),
    (
        "ray/own.yaml",
        "worker_ips: [192.0.2.11, 192.0.2.12]",
        "worker_ips: 192.0.2.11",
        "worker_ips",
    ),
    ("ray/own.yaml", '{"midstep-edge":1}', '{"edge":1}', "midstep-edge"),
    (
        "ray/own.yaml",
        "RAY_AUTH_MODE=token ray start --address",
        "ray start --address",
        "RAY_AUTH_MODE",
    ),
    ("kustomization.yaml", "configMapGenerator:", "configMapGenerators:", "configMapGenerators"),
    ("kustomization.yaml", "overview.json]", "overwiew.json]", "overwiew.json"),
    ("kustomization.yaml", 'grafana_dashboard: "1"', "grafana_dashboard: 1", "grafana_dashboard"),
    ("kuberay/cluster.yaml", "headGroupSpec:", "headGroupSpecs:", "headGroupSpecs"),
    ("kuberay/cluster.yaml", "containerPort: 8265", "containerPort: '8265'", "containerPort"),
    ("kuberay/cluster.yaml", "readOnly: true}", "readonly: true}", "readonly"),
    ("kuberay/cluster.yaml", 'num-cpus: "0"', "num-cpus: 0", "num-cpus"),
    (
        "kuberay/cluster.yaml",
        "allowPrivilegeEscalation: false",
        "privileged: true",
        "privilege escalation",
    ),
    ("kuberay/cluster.yaml", "{mode: token}", "{mode: disabled}", "must be token"),
    (
        "kuberay/cluster.yaml",
        "{name: shm, mountPath",
        "{name: shmm, mountPath",
        "shmm, which is no volume",
    ),
    (
        "kuberay/cluster.yaml",
        "- groupName: edge",
        "- replicas: 1\n      groupName: edge",
        "replicas is there twice",
    ),
    ("kuberay/job.yaml", "  entrypoint: midstep run", "  entrypoints: midstep run", "entrypoint"),
    (
        "kuberay/job.yaml",
        "activeDeadlineSeconds: 7200",
        "activeDeadlineSeconds: 2h",
        "activeDeadlineSeconds",
    ),
    ("kuberay/job.yaml", "restartPolicy: Never", "restartPolicies: Never", "restartPolicies"),
    ("kuberay/job.yaml", "cpu: 100m, memory: 256Mi", "cpu: 200m, memory: 256Mi", "cluster.yaml"),
    ("kuberay/podmonitor.yaml", "  selector:", "  selectors:", "selector"),
    ("kuberay/podmonitor.yaml", "interval: 5s", "interval: often", "often"),
    ("kuberay/podmonitor.yaml", "port: prometheus", "port: prometheuss", "prometheuss"),
    (
        "kuberay/runs.yaml",
        "accessModes: [ReadWriteOnce]",
        "accessModes: ReadWriteOnce",
        "accessModes",
    ),
    ("kuberay/runs.yaml", "    requests:", "    request:", "request"),
    ("kuberay/scenario.yaml", "split_step: 6", "split_steps: 6", "split_steps"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Repository with a copy of deploy/ to plant errors in."""
    shutil.copytree(
        ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in BESIDE:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("name", check.CHECKS)
def test_a_file_as_it_stands_is_right(name: str) -> None:
    assert check.problems(ROOT, name) == []


@pytest.mark.parametrize(("name", "written", "planted", "complaint"), PLANTED)
def test_a_planted_error_is_found(
    copy: Path, name: str, written: str, planted: str, complaint: str
) -> None:
    name = f"deploy/{name}"
    text = (copy / name).read_text()
    assert written in text, "the file has changed: plant another error"
    (copy / name).write_text(text.replace(written, planted))
    problems = check.problems(copy, name)
    assert problems, "nobody noticed"
    assert all(line.startswith(f"{name}: ") for line in problems)
    assert complaint in "\n".join(problems)


def test_an_error_is_planted_in_every_file() -> None:
    assert {f"deploy/{name}" for name, *_ in PLANTED} == set(check.CHECKS)


def test_every_file_of_deploy_has_its_check() -> None:
    """Python is the linters'; grafana/ and prometheus/ are deploy.check_monitoring's."""
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file()
        and path.suffix not in {".py", ".pyc"}
        and path.parent.name != "__pycache__"
    }
    monitoring = {name for name in files if name.split("/")[1] in {"grafana", "prometheus"}}
    assert files - monitoring == set(check.CHECKS)


def test_a_dashboard_that_nobody_takes_to_kubernetes_is_missed(copy: Path) -> None:
    (copy / "deploy" / "grafana" / "dashboards" / "another.json").write_text("{}")
    assert "another.json is missing" in check.problems(copy, "deploy/kustomization.yaml")[0]


def test_the_check_as_a_command_fails_and_names_the_file(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "deploy" / "kuberay" / "runs.yaml"
    path.write_text(path.read_text().replace("kind: Persistent", "kind: Persistant"))
    monkeypatch.setattr(check, "ROOT", copy)
    assert check.main() == 1
    assert "deploy/kuberay/runs.yaml: " in capsys.readouterr().err


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rayclusters.ray.io}
spec:
  group: ray.io
  names: {kind: RayCluster, plural: rayclusters}
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          type: object
          properties:
            apiVersion: {type: string}
            kind: {type: string}
            metadata: {type: object}
            spec:
              type: object
              required: [headGroupSpec]
              properties:
                rayVersion: {type: string}
                authOptions:
                  type: object
                  nullable: true
                  properties: {mode: {type: string, enum: [token, disabled]}}
                headGroupSpec: {type: object, x-kubernetes-preserve-unknown-fields: true}
                workerGroupSpecs:
                  type: array
                  items:
                    type: object
                    properties:
                      groupName: {type: string}
                      replicas: {x-kubernetes-int-or-string: true}
                      minReplicas: {type: integer}
                      maxReplicas: {type: integer}
                      rayStartParams: {type: object, additionalProperties: {type: string}}
                      template: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


def test_the_operators_own_definition_is_used_where_there_is_one(
    copy: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("crds")
    definition = folder / "rayclusters.yaml"
    definition.write_text(DEFINITION)
    monkeypatch.setenv(crds.VARIABLE, str(folder))
    name = "deploy/kuberay/cluster.yaml"
    assert check.problems(copy, name) == []
    definition.write_text(DEFINITION.replace("maxReplicas", "atMost"))
    assert "'maxReplicas' was unexpected" in "\n".join(check.problems(copy, name))
    definition.write_text(DEFINITION.replace("enum: [token, disabled]", "enum: [disabled]"))
    assert "spec.authOptions" in check.problems(copy, name)[0]
    definition.write_text(
        DEFINITION.replace("rayVersion: {type: string}", "rayVersion: {type: integer}")
    )
    assert "spec.rayVersion" in check.problems(copy, name)[0]


def test_a_missing_folder_of_definitions_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(crds.VARIABLE, "/nowhere/crds")
    assert "which is no folder" in check.problems(ROOT, "deploy/kuberay/cluster.yaml")[0]
