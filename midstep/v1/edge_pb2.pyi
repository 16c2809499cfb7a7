from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Pipeline(_message.Message):
    __slots__ = ("model", "revision", "scheduler", "scheduler_config", "steps", "guidance", "height", "width", "dtype")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    model: str
    revision: str
    scheduler: str
    scheduler_config: str
    steps: int
    guidance: float
    height: int
    width: int
    dtype: str
    def __init__(self, model: _Optional[str] = ..., revision: _Optional[str] = ..., scheduler: _Optional[str] = ..., scheduler_config: _Optional[str] = ..., steps: _Optional[int] = ..., guidance: _Optional[float] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., dtype: _Optional[str] = ...) -> None: ...

class Description(_message.Message):
    __slots__ = ("edge", "pipeline", "split_step", "scenario_seed", "step_seconds", "decode_seconds", "process_id", "tick_seconds", "whole_prompt")
    EDGE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    SPLIT_STEP_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_SEED_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DECODE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    TICK_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WHOLE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    edge: str
    pipeline: Pipeline
    split_step: int
    scenario_seed: int
    step_seconds: float
    decode_seconds: float
    process_id: int
    tick_seconds: _containers.RepeatedScalarFieldContainer[float]
    whole_prompt: bool
    def __init__(self, edge: _Optional[str] = ..., pipeline: _Optional[_Union[Pipeline, _Mapping]] = ..., split_step: _Optional[int] = ..., scenario_seed: _Optional[int] = ..., step_seconds: _Optional[float] = ..., decode_seconds: _Optional[float] = ..., process_id: _Optional[int] = ..., tick_seconds: _Optional[_Iterable[float]] = ..., whole_prompt: _Optional[bool] = ...) -> None: ...

class OutputRequest(_message.Message):
    __slots__ = ("request_id", "prompt", "pipeline", "private_seed", "limit", "user", "rate_bps", "step_seconds", "backlog_seconds", "kind", "quality", "negative")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_SEED_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    RATE_BPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prompt: str
    pipeline: str
    private_seed: int
    limit: int
    user: int
    rate_bps: float
    step_seconds: float
    backlog_seconds: float
    kind: str
    quality: Quality
    negative: str
    def __init__(self, request_id: _Optional[str] = ..., prompt: _Optional[str] = ..., pipeline: _Optional[str] = ..., private_seed: _Optional[int] = ..., limit: _Optional[int] = ..., user: _Optional[int] = ..., rate_bps: _Optional[float] = ..., step_seconds: _Optional[float] = ..., backlog_seconds: _Optional[float] = ..., kind: _Optional[str] = ..., quality: _Optional[_Union[Quality, _Mapping]] = ..., negative: _Optional[str] = ...) -> None: ...

class Quality(_message.Message):
    __slots__ = ("metric", "floor", "share")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    metric: str
    floor: float
    share: float
    def __init__(self, metric: _Optional[str] = ..., floor: _Optional[float] = ..., share: _Optional[float] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("pipeline", "prompt_key", "step", "steps", "payload", "checksum")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    prompt_key: str
    step: int
    steps: int
    payload: bytes
    checksum: int
    def __init__(self, pipeline: _Optional[str] = ..., prompt_key: _Optional[str] = ..., step: _Optional[int] = ..., steps: _Optional[int] = ..., payload: _Optional[bytes] = ..., checksum: _Optional[int] = ...) -> None: ...

class OutputReply(_message.Message):
    __slots__ = ("frame", "reuse", "similarity", "edge_steps", "saved_steps", "queue_seconds", "edge_seconds", "seed", "truncated", "reused_step", "plan_wait_seconds", "donor_key", "donor_prompt", "likeness", "check", "from_edge", "backhaul_seconds", "backhaul_bytes")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    REUSE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    EDGE_STEPS_FIELD_NUMBER: _ClassVar[int]
    SAVED_STEPS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EDGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    REUSED_STEP_FIELD_NUMBER: _ClassVar[int]
    PLAN_WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DONOR_KEY_FIELD_NUMBER: _ClassVar[int]
    DONOR_PROMPT_FIELD_NUMBER: _ClassVar[int]
    LIKENESS_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    FROM_EDGE_FIELD_NUMBER: _ClassVar[int]
    BACKHAUL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BACKHAUL_BYTES_FIELD_NUMBER: _ClassVar[int]
    frame: Frame
    reuse: str
    similarity: float
    edge_steps: int
    saved_steps: int
    queue_seconds: float
    edge_seconds: float
    seed: int
    truncated: bool
    reused_step: int
    plan_wait_seconds: float
    donor_key: str
    donor_prompt: str
    likeness: str
    check: bool
    from_edge: str
    backhaul_seconds: float
    backhaul_bytes: int
    def __init__(self, frame: _Optional[_Union[Frame, _Mapping]] = ..., reuse: _Optional[str] = ..., similarity: _Optional[float] = ..., edge_steps: _Optional[int] = ..., saved_steps: _Optional[int] = ..., queue_seconds: _Optional[float] = ..., edge_seconds: _Optional[float] = ..., seed: _Optional[int] = ..., truncated: _Optional[bool] = ..., reused_step: _Optional[int] = ..., plan_wait_seconds: _Optional[float] = ..., donor_key: _Optional[str] = ..., donor_prompt: _Optional[str] = ..., likeness: _Optional[str] = ..., check: _Optional[bool] = ..., from_edge: _Optional[str] = ..., backhaul_seconds: _Optional[float] = ..., backhaul_bytes: _Optional[int] = ...) -> None: ...

class QualitySample(_message.Message):
    __slots__ = ("request_id", "kind", "step", "quality", "good")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    GOOD_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    kind: str
    step: int
    quality: Quality
    good: bool
    def __init__(self, request_id: _Optional[str] = ..., kind: _Optional[str] = ..., step: _Optional[int] = ..., quality: _Optional[_Union[Quality, _Mapping]] = ..., good: _Optional[bool] = ...) -> None: ...

class ReportReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Access(_message.Message):
    __slots__ = ("request_id", "prompt_key", "prompt", "step", "bytes", "reuse", "at_seconds", "edge_seconds", "user", "limit", "edge_steps", "reused_step", "rate_bps", "step_seconds", "backlog_seconds", "donor_key", "likeness", "staged", "from_edge")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    REUSE_FIELD_NUMBER: _ClassVar[int]
    AT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EDGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    EDGE_STEPS_FIELD_NUMBER: _ClassVar[int]
    REUSED_STEP_FIELD_NUMBER: _ClassVar[int]
    RATE_BPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DONOR_KEY_FIELD_NUMBER: _ClassVar[int]
    LIKENESS_FIELD_NUMBER: _ClassVar[int]
    STAGED_FIELD_NUMBER: _ClassVar[int]
    FROM_EDGE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prompt_key: str
    prompt: str
    step: int
    bytes: int
    reuse: str
    at_seconds: float
    edge_seconds: float
    user: int
    limit: int
    edge_steps: int
    reused_step: int
    rate_bps: float
    step_seconds: float
    backlog_seconds: float
    donor_key: str
    likeness: str
    staged: bool
    from_edge: str
    def __init__(self, request_id: _Optional[str] = ..., prompt_key: _Optional[str] = ..., prompt: _Optional[str] = ..., step: _Optional[int] = ..., bytes: _Optional[int] = ..., reuse: _Optional[str] = ..., at_seconds: _Optional[float] = ..., edge_seconds: _Optional[float] = ..., user: _Optional[int] = ..., limit: _Optional[int] = ..., edge_steps: _Optional[int] = ..., reused_step: _Optional[int] = ..., rate_bps: _Optional[float] = ..., step_seconds: _Optional[float] = ..., backlog_seconds: _Optional[float] = ..., donor_key: _Optional[str] = ..., likeness: _Optional[str] = ..., staged: _Optional[bool] = ..., from_edge: _Optional[str] = ...) -> None: ...

class Admission(_message.Message):
    __slots__ = ("prompt_key", "step")
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    prompt_key: str
    step: int
    def __init__(self, prompt_key: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class Eviction(_message.Message):
    __slots__ = ("prompt_key", "step")
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    prompt_key: str
    step: int
    def __init__(self, prompt_key: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class Targets(_message.Message):
    __slots__ = ("steps", "step_price_seconds")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_PRICE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Admission]
    step_price_seconds: float
    def __init__(self, steps: _Optional[_Iterable[_Union[Admission, _Mapping]]] = ..., step_price_seconds: _Optional[float] = ...) -> None: ...

class Edit(_message.Message):
    __slots__ = ("admit", "evict", "targets")
    ADMIT_FIELD_NUMBER: _ClassVar[int]
    EVICT_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    admit: _containers.RepeatedCompositeFieldContainer[Admission]
    evict: _containers.RepeatedCompositeFieldContainer[Eviction]
    targets: Targets
    def __init__(self, admit: _Optional[_Iterable[_Union[Admission, _Mapping]]] = ..., evict: _Optional[_Iterable[_Union[Eviction, _Mapping]]] = ..., targets: _Optional[_Union[Targets, _Mapping]] = ...) -> None: ...

class EditResult(_message.Message):
    __slots__ = ("admitted", "evicted", "refused")
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    EVICTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    admitted: int
    evicted: int
    refused: int
    def __init__(self, admitted: _Optional[int] = ..., evicted: _Optional[int] = ..., refused: _Optional[int] = ...) -> None: ...

class ContentsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Held(_message.Message):
    __slots__ = ("prompt_key", "prompt", "step", "bytes")
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    prompt_key: str
    prompt: str
    step: int
    bytes: int
    def __init__(self, prompt_key: _Optional[str] = ..., prompt: _Optional[str] = ..., step: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ContentsReply(_message.Message):
    __slots__ = ("store", "staging", "capacity_bytes", "store_bytes", "staging_bytes", "work", "neighbours", "fetch_seconds")
    STORE_FIELD_NUMBER: _ClassVar[int]
    STAGING_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STAGING_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    FETCH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    store: _containers.RepeatedCompositeFieldContainer[Held]
    staging: _containers.RepeatedCompositeFieldContainer[Held]
    capacity_bytes: int
    store_bytes: int
    staging_bytes: int
    work: Work
    neighbours: _containers.RepeatedCompositeFieldContainer[Neighbouring]
    fetch_seconds: float
    def __init__(self, store: _Optional[_Iterable[_Union[Held, _Mapping]]] = ..., staging: _Optional[_Iterable[_Union[Held, _Mapping]]] = ..., capacity_bytes: _Optional[int] = ..., store_bytes: _Optional[int] = ..., staging_bytes: _Optional[int] = ..., work: _Optional[_Union[Work, _Mapping]] = ..., neighbours: _Optional[_Iterable[_Union[Neighbouring, _Mapping]]] = ..., fetch_seconds: _Optional[float] = ...) -> None: ...

class Neighbouring(_message.Message):
    __slots__ = ("edge", "prompt_key", "step", "keeps")
    EDGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    KEEPS_FIELD_NUMBER: _ClassVar[int]
    edge: str
    prompt_key: str
    step: int
    keeps: bool
    def __init__(self, edge: _Optional[str] = ..., prompt_key: _Optional[str] = ..., step: _Optional[int] = ..., keeps: _Optional[bool] = ...) -> None: ...

class Work(_message.Message):
    __slots__ = ("at_seconds", "busy_seconds", "ticks", "steps", "queue", "in_flight")
    AT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BUSY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TICKS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    at_seconds: float
    busy_seconds: float
    ticks: int
    steps: int
    queue: int
    in_flight: int
    def __init__(self, at_seconds: _Optional[float] = ..., busy_seconds: _Optional[float] = ..., ticks: _Optional[int] = ..., steps: _Optional[int] = ..., queue: _Optional[int] = ..., in_flight: _Optional[int] = ...) -> None: ...

class GatherRequest(_message.Message):
    __slots__ = ("slot", "expected", "wait_seconds")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    slot: int
    expected: int
    wait_seconds: float
    def __init__(self, slot: _Optional[int] = ..., expected: _Optional[int] = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class Demand(_message.Message):
    __slots__ = ("request_id", "prompt_key", "prompt", "user", "limit", "rate_bps", "step_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    RATE_BPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prompt_key: str
    prompt: str
    user: int
    limit: int
    rate_bps: float
    step_seconds: float
    def __init__(self, request_id: _Optional[str] = ..., prompt_key: _Optional[str] = ..., prompt: _Optional[str] = ..., user: _Optional[int] = ..., limit: _Optional[int] = ..., rate_bps: _Optional[float] = ..., step_seconds: _Optional[float] = ...) -> None: ...

class GatherReply(_message.Message):
    __slots__ = ("demand",)
    DEMAND_FIELD_NUMBER: _ClassVar[int]
    demand: _containers.RepeatedCompositeFieldContainer[Demand]
    def __init__(self, demand: _Optional[_Iterable[_Union[Demand, _Mapping]]] = ...) -> None: ...

class PlannedStep(_message.Message):
    __slots__ = ("prompt_key", "step", "from_store")
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    FROM_STORE_FIELD_NUMBER: _ClassVar[int]
    prompt_key: str
    step: int
    from_store: bool
    def __init__(self, prompt_key: _Optional[str] = ..., step: _Optional[int] = ..., from_store: _Optional[bool] = ...) -> None: ...

class SlotPlan(_message.Message):
    __slots__ = ("slot", "steps")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    slot: int
    steps: _containers.RepeatedCompositeFieldContainer[PlannedStep]
    def __init__(self, slot: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[PlannedStep, _Mapping]]] = ...) -> None: ...

class ServeReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DigestRequest(_message.Message):
    __slots__ = ("known",)
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    known: int
    def __init__(self, known: _Optional[int] = ...) -> None: ...

class DigestReply(_message.Message):
    __slots__ = ("state", "held")
    STATE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    state: int
    held: OutputNames
    def __init__(self, state: _Optional[int] = ..., held: _Optional[_Union[OutputNames, _Mapping]] = ...) -> None: ...

class OutputNames(_message.Message):
    __slots__ = ("outputs",)
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[Admission]
    def __init__(self, outputs: _Optional[_Iterable[_Union[Admission, _Mapping]]] = ...) -> None: ...

class LendRequest(_message.Message):
    __slots__ = ("prompt_key", "step")
    PROMPT_KEY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    prompt_key: str
    step: int
    def __init__(self, prompt_key: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class LendReply(_message.Message):
    __slots__ = ("frame", "truncated")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    frame: Frame
    truncated: bool
    def __init__(self, frame: _Optional[_Union[Frame, _Mapping]] = ..., truncated: _Optional[bool] = ...) -> None: ...
