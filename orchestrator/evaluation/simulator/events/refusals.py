"""What the simulator takes of a scenario: every other key that is set is refused by its name, so
that none is passed over in silence."""

from __future__ import annotations

from typing import Any

from edge_node.cut import open_rule
from edge_node.similar import open_similar
from midstep.diffusion.factory import paced_identity
from midstep.errors import ScenarioError
from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.tree import Tree
from orchestrator.live.setting import run_split_step

__all__ = ["check"]

# keys that change what is simulated, and those that mean nothing to it: how a run is carried out
# and what it reports
KNOWN: dict[str, str] = {
    "Scenario": "name seed duration_s warmup_s slot_seconds deadline_s grace_s model edges devices "
    "hosts channel workload cut policy reuse modes report thresholds timeline backhaul",
    "Model": "path steps split_step guidance scheduler dtype device height width profile",
    "EdgeSettings": "name capacity staging queue_limit max_batch threads gpus address resources "
    "place_m",
    "Devices": "kind count speed_ratio step_ms bandwidth_mhz distance_m watts "
    "receive_nj_per_bit edge choose",
    "Hosts": "devices_per_host max_batch threads gpus resources",
    "Channel": "power_w noise_w carrier_mhz path_loss_exponent antenna_gain fading frame_bytes",
    "Workload": "catalogue catalogue_size prompts trace within_catalogue popularity "
    "drift_swaps_per_slot plain_share variation_share private_share core arrivals",
    "Popularity": "zipf",
    "Arrivals": "closed poisson mmpp diurnal slotted recorded",
    "Closed": "think_s",
    "Poisson": "per_user_per_minute",
    "Mmpp": "calm_per_user_per_minute burst_per_user_per_minute calm_s burst_s",
    "Diurnal": "per_user_per_minute swing period_s peak_s",
    "Slotted": "per_user",
    "Recorded": "kind",
    "Cut": "rule",
    "Reuse": "metric floor share table similar similar_params embedding foreign check_share "
    "privacy",
    "PolicySettings": "name params source timing admission steps_per_prompt weight_v "
    "latency_target_s",
    "Modes": "edge clock denoiser wire time_scale",
    "ScaleEvent": "kind at_s users edge",
}
HINT = "play the run with `midstep run --clock virtual`"


def check(scenario: Scenario) -> None:
    """Raise ScenarioError for the first key that is set and that the simulator does not have, for a
    cut rule or a rule for like prompts that there is not, and for a table of reuse that does not
    fit."""
    if scenario.modes.edge == "coupled":
        raise ScenarioError(
            "modes.edge: by discrete events the edge is shared; a coupled scenario is played by "
            "`midstep simulate` in the closed model, or in virtual time"
        )
    if scenario.model.profile is None:
        raise ScenarioError(
            "model.profile: a simulation needs measured step times; set model.profile=cpu"
        )
    _check(scenario, "")
    if any(group.choose == "fastest" for group in scenario.devices):
        raise ScenarioError(f"devices.N.choose: the simulator does not have fastest; {HINT}")
    open_rule(scenario, run_split_step(scenario))
    identity = paced_identity(scenario.model)
    open_limits(scenario, identity)
    open_similar(scenario, identity)


def _check(tree: Tree, path: str) -> None:
    known = KNOWN.get(type(tree).__name__)
    if known is None:  # thresholds, report: nothing in them changes what happens
        return
    for name, field in type(tree).model_fields.items():
        value = getattr(tree, name)
        key = f"{path}{field.alias or name}"
        if name not in known.split():
            if value != field.get_default(call_default_factory=True):
                raise ScenarioError(
                    f"{key}: the simulator does not have it; leave it out, or {HINT}"
                )
            continue
        _check_inside(value, key)


def _check_inside(value: Any, key: str) -> None:
    if isinstance(value, Tree):
        _check(value, f"{key}.")
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            _check_inside(item, f"{key}.{number}")
