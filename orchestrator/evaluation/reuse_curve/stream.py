"""The stream of requests that every rule meets: a catalogue's by the workload's law, or a file's in
its order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from midstep.errors import OptionError
from midstep.scenario import Scenario
from midstep.wire.identity import check_prompt, shared_seed
from midstep.workload.catalogue import Catalogue
from midstep.workload.requests import CatalogueWorkload, find_catalogue
from midstep.workload.trace_file import read_trace
from midstep.workload.user_request import UserRequest

__all__ = ["Stream", "catalogue_stream", "listed_stream"]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Requests in the order in which they come; the first `warm_up` fill the cache and are not
    counted. `catalogue`: of which they are, None for free text; `seed` is the scenario's."""

    name: str
    requests: tuple[UserRequest, ...]
    warm_up: int
    seed: int
    catalogue: Catalogue | None

    @property
    def counted(self) -> int:
        """Requests after the warm-up."""
        return len(self.requests) - self.warm_up

    def noise(self, core: str) -> int:
        """Seed of the noise that all users of a core prompt share."""
        return shared_seed(core, self.seed)

    def digest(self) -> str:
        """The same for the same requests."""
        text = "\x00".join(f"{r.edge_prompt}\x01{r.prompt}" for r in self.requests)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def catalogue_stream(scenario: Scenario, count: int, warm_up: int) -> Stream:
    """`warm_up` and then `count` requests of the scenario's workload: of each user one a slot, in
    turn. Raises ScenarioError."""
    catalogue = find_catalogue(scenario)
    workload = CatalogueWorkload(catalogue, scenario.workload, scenario.seed)
    users = scenario.users
    requests = []
    for number in range(warm_up + count):
        turn, user = divmod(number, users)
        requests.append(workload.user_request(user, turn, turn))
    return Stream(
        name="catalogue",
        requests=tuple(requests),
        warm_up=warm_up,
        seed=scenario.seed,
        catalogue=catalogue,
    )


def listed_stream(path: str, scenario: Scenario, count: int, warm_up: int) -> Stream:
    """The first requests of a list of prompts or a table that can be served. Raises ScenarioError
    where it cannot be read, OptionError where it has too few."""
    requests = [
        one.request
        for one in read_trace(path, "--prompts").requests
        if check_prompt(one.request.prompt) is None
    ]
    if len(requests) <= warm_up:
        raise OptionError(
            f"--prompts {path}: {len(requests)} requests, {warm_up} of them to warm up: give "
            f"--warm-up below that"
        )
    return Stream(
        name="prompts",
        requests=tuple(requests[: warm_up + count]),
        warm_up=warm_up,
        seed=scenario.seed,
        catalogue=None,
    )
