"""Schemas of the custom resources: KubeRay's and the Prometheus operator's.

Their own definitions are read where the environment variable MIDSTEP_CRDS names a folder that holds
them (YAML, as in the operators' `crds` folders). Without it, the fields that those resources have
are checked against the list below.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from deploy.documents import documents

VARIABLE = "MIDSTEP_CRDS"
Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
THING: Schema = {"type": "object"}  # pod templates and the like are checked as what they are
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}


def record(*required: str, **fields: Schema) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def one_of(*values: str) -> Schema:
    """One of these words."""
    return {"enum": list(values)}


_GROUP = dict(rayStartParams=STRINGS, template=THING, resources=STRINGS, labels=STRINGS)

RAY_CLUSTER = record(
    "headGroupSpec",
    rayVersion=STRING,
    authOptions=record("mode", mode=one_of("token", "disabled")),
    headGroupSpec=record(
        "template",
        "rayStartParams",
        **_GROUP,
        headService=THING,
        enableIngress=FLAG,
        serviceType=one_of("ClusterIP", "NodePort", "LoadBalancer"),
    ),
    workerGroupSpecs={
        "type": "array",
        "items": record(
            "groupName",
            "template",
            "rayStartParams",
            **_GROUP,
            groupName=STRING,
            replicas=WHOLE,
            minReplicas=WHOLE,
            maxReplicas=WHOLE,
            numOfHosts=WHOLE,
            idleTimeoutSeconds=WHOLE,
            suspend=FLAG,
            scaleStrategy=THING,
        ),
    },
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=THING,
    headServiceAnnotations=STRINGS,
    suspend=FLAG,
    managedBy=STRING,
    gcsFaultToleranceOptions=THING,
    upgradeStrategy=THING,
)

RAY_JOB = record(
    "entrypoint",
    entrypoint=STRING,
    rayClusterSpec=RAY_CLUSTER,
    clusterSelector=STRINGS,
    submitterPodTemplate=THING,
    metadata=STRINGS,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    submitterConfig=record(backoffLimit=WHOLE),
    shutdownAfterJobFinishes=FLAG,
    ttlSecondsAfterFinished=WHOLE,
    activeDeadlineSeconds={"type": "integer", "minimum": 1},
    backoffLimit=WHOLE,
    runtimeEnvYAML=STRING,
    jobId=STRING,
    entrypointNumCpus={"type": "number"},
    entrypointNumGpus={"type": "number"},
    entrypointResources=STRING,
    suspend=FLAG,
    deletionStrategy=THING,
    managedBy=STRING,
    preRunningDeadlineSeconds=WHOLE,
)

_RELABELINGS: Schema = {
    "type": "array",
    "items": record(
        action=STRING,
        regex=STRING,
        replacement=STRING,
        separator=STRING,
        targetLabel=STRING,
        modulus=WHOLE,
        sourceLabels={"type": "array", "items": STRING},
    ),
}
_DURATION: Schema = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}

POD_MONITOR = record(
    "selector",
    "podMetricsEndpoints",
    selector=record(matchLabels=STRINGS, matchExpressions={"type": "array"}),
    namespaceSelector=record(any=FLAG, matchNames={"type": "array", "items": STRING}),
    podMetricsEndpoints={
        "type": "array",
        "minItems": 1,
        "items": record(
            port=STRING,
            portNumber=WHOLE,
            path=STRING,
            scheme=one_of("http", "https"),
            interval=_DURATION,
            honorLabels=FLAG,
            params={"type": "object", "additionalProperties": {"type": "array", "items": STRING}},
            scrapeTimeout=_DURATION,
            honorTimestamps=FLAG,
            followRedirects=FLAG,
            relabelings=_RELABELINGS,
            metricRelabelings=_RELABELINGS,
            filterRunning=FLAG,
            bearerTokenSecret=THING,
            tlsConfig=THING,
        ),
    },
    jobLabel=STRING,
    podTargetLabels={"type": "array", "items": STRING},
    sampleLimit=WHOLE,
    targetLimit=WHOLE,
)

OURS = {
    ("ray.io/v1", "RayCluster"): RAY_CLUSTER,
    ("ray.io/v1", "RayJob"): RAY_JOB,
    ("monitoring.coreos.com/v1", "PodMonitor"): POD_MONITOR,
}


def schema_of(api_version: str, kind: str) -> Schema:
    """The schema of a whole resource. Raises ValueError where there is none."""
    folder = os.environ.get(VARIABLE)
    if folder:
        found = _defined(Path(folder), api_version, kind)
        if found is not None:
            return found
    if (api_version, kind) not in OURS:
        raise ValueError(
            f"{api_version} {kind} is not known: this file should be one of {sorted(OURS)}"
        )
    metadata = record(
        name=STRING, generateName=STRING, namespace=STRING, labels=STRINGS, annotations=STRINGS
    )
    return record(
        "apiVersion", "kind", "metadata", "spec", apiVersion=STRING, kind=STRING, metadata=metadata,
        spec=OURS[api_version, kind],
    )  # fmt: skip


def _defined(folder: Path, api_version: str, kind: str) -> Schema | None:
    """The operator's own definition in a folder, made strict. Raises ValueError where the folder is
    none."""
    if not folder.is_dir():
        raise ValueError(f"{VARIABLE} names {folder}, which is no folder")
    group, version = api_version.split("/")
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        for made in documents(path):
            if not isinstance(made, dict) or made.get("kind") != "CustomResourceDefinition":
                continue
            spec = made["spec"]
            if spec["group"] == group and spec["names"]["kind"] == kind:
                for one in spec["versions"]:
                    if one["name"] == version:
                        return _strict(one["schema"]["openAPIV3Schema"])
    return None


def _strict(schema: Schema) -> Schema:
    """As the API server reads it with strict field validation: no field that is not defined; and
    Kubernetes' marks."""
    made = {
        key: value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes") and key != "nullable"
    }
    if "properties" in schema:
        made["properties"] = {name: _strict(field) for name, field in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
        if schema.get("x-kubernetes-embedded-resource"):
            made["properties"] |= {"apiVersion": STRING, "kind": STRING, "metadata": THING}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), dict):
            made[key] = _strict(schema[key])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            # they narrow what `properties` defines
            made[key] = [dict(branch) for branch in schema[key]]
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
        made.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made
