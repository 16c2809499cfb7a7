"""Files that a plan's scenarios name by path: what they say of the requests, and digests of their
bytes, so that a point is played again where a file has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from midstep.diffusion.factory import profile_file
from midstep.errors import ModelError
from midstep.home import in_home
from midstep.scenario import Scenario
from midstep.workload.requests import read_requests, with_requests
from midstep.workload.trace import Trace

__all__ = ["Inputs"]

ROWS = ("requests.parquet", "requests.jsonl")  # of a run's folder: a replay reads the first


class Inputs:
    """The files of one expansion of a plan; each is read once, whatever the number of points that
    read it in the same way."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str | None, ...], Trace | None] = {}
        self._digests: dict[Path, str] = {}

    def resolved(self, scenario: Scenario) -> Scenario:
        """The scenario with what its list of prompts or its trace says: how requests arrive, above
        all. Raises ScenarioError, one line, where it cannot be read or does not fit."""
        workload = scenario.workload
        if not workload.is_listed:
            return scenario
        privacy = scenario.reuse.privacy  # refuses a list whose prompts are to stay on devices
        read = workload.prompts, workload.trace, workload.core, workload.negative, privacy
        if read not in self._requests:
            self._requests[read] = read_requests(scenario)
        return with_requests(scenario, self._requests[read])

    def digests(self, scenario: Scenario) -> dict[str, str]:
        """A digest of the bytes of each file that the scenario names, by the scenario's key; none
        of a file that is not there."""
        return {key: self._digest(path) for key, path in _files(scenario)}

    def _digest(self, path: Path) -> str:
        path = path.absolute()
        if path not in self._digests:
            with path.open("rb") as file:
                self._digests[path] = hashlib.file_digest(file, "blake2b").hexdigest()
        return self._digests[path]


def _files(scenario: Scenario) -> Iterator[tuple[str, Path]]:
    """The keys that name a file, and the file that is read for each."""
    workload = scenario.workload
    for key, name in (("workload.prompts", workload.prompts), ("workload.trace", workload.trace)):
        if name is None:
            continue
        place = in_home(name)
        candidates = [place / rows for rows in ROWS] if place.is_dir() else [place]
        path = next((one for one in candidates if one.is_file()), None)
        if path is not None:
            yield key, path
    try:
        profile = profile_file(scenario.model)
    except ModelError:  # no such model: the check of the points says so
        return
    if profile is not None:
        yield "model.profile", profile
