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
    """Schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def one_of(*values: str) -> Schema:
    """Schema of a choice between words."""
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
    """Schema of a whole resource. Raises ValueError where the kind has none."""
    folder = os.environ.get(VARIABLE)
    if folder:
        definition = _definition(Path(folder), api_version, kind)
        if definition is not None:
            return definition
    if (api_version, kind) not in OURS:
        raise ValueError(
            f"{api_version} {kind} is not known: this file should be one of {sorted(OURS)}"
        )
    metadata = record(
        name=STRING, generateName=STRING, namespace=STRING, labels=STRINGS, annotations=STRINGS
    )
    return record(
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        apiVersion=STRING,
        kind=STRING,
        metadata=metadata,
        spec=OURS[api_version, kind],
    )


def _definition(folder: Path, api_version: str, kind: str) -> Schema | None:
    """Read the operator's own definition in a folder, and make it strict; None without one.

    Raises ValueError where the folder does not exist.
    """
    if not folder.is_dir():
        raise ValueError(f"{VARIABLE} names {folder}, which is no folder")
    group, version = api_version.split("/")
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        for resource in documents(path):
            if not isinstance(resource, dict) or resource.get("kind") != "CustomResourceDefinition":
                continue
            spec = resource["spec"]
            if spec["group"] == group and spec["names"]["kind"] == kind:
                for served in spec["versions"]:
                    if served["name"] == version:
                        return _strict(served["schema"]["openAPIV3Schema"])
    return None


def _strict(schema: Schema) -> Schema:
    """Translate a definition into JSON Schema as the API server's strict field validation reads it.

    A field that is not defined is an error; Kubernetes' own marks (nullable, int-or-string,
    embedded resources) become JSON Schema.
    """
    strict = {
        key: value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes") and key != "nullable"
    }
    if "properties" in schema:
        strict["properties"] = {
            name: _strict(field) for name, field in schema["properties"].items()
        }
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
        if schema.get("x-kubernetes-embedded-resource"):
            strict["properties"] |= {"apiVersion": STRING, "kind": STRING, "metadata": THING}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), dict):
            strict[key] = _strict(schema[key])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            # they narrow what `properties` defines
            strict[key] = [dict(branch) for branch in schema[key]]
    if schema.get("x-kubernetes-int-or-string"):
        strict.pop("type", None)
        strict.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    return {"anyOf": [strict, {"type": "null"}]} if schema.get("nullable") else strict
