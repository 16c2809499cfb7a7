"""The start pictures that a host's users have: files of a folder, or renders of the catalogue."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np
from PIL import Image

from midstep.errors import PromptError, ScenarioError
from midstep.home import in_home
from midstep.scenario import CATALOGUE_PICTURES, Scenario
from midstep.wire.start import Start
from midstep.workload.catalogue import Catalogue, Edge
from midstep.workload.requests import find_catalogue
from midstep.workload.user_request import StartChoice

__all__ = ["PICTURES", "FolderPictures", "RenderedPictures", "StartSource", "open_starts"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
HELD = 256  # pictures that are kept as they go up


class StartSource(ABC):
    """Start pictures by number, at the size that a pipeline draws."""

    def __init__(self, height: int, width: int) -> None:
        self.size = width, height
        self.start = lru_cache(HELD)(self._start)

    @abstractmethod
    def image(self, number: int) -> Image.Image:
        """The picture of that number, of any size. Raises PromptError where it cannot be read."""

    def _start(self, choice: StartChoice) -> Start:
        """A picture as it goes up: brought to the pipeline's size, PNG. Raises as `image`."""
        image = self.image(choice.picture)
        if image.size != self.size:
            image = image.resize(self.size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return Start(png=buffer.getvalue(), strength=choice.strength)


class FolderPictures(StartSource):
    """The pictures of a folder, by name. Raises ScenarioError where there are none."""

    def __init__(self, folder: str, height: int, width: int) -> None:
        super().__init__(height, width)
        path = in_home(folder)
        files = path.iterdir() if path.is_dir() else ()
        self._files = sorted(file for file in files if file.suffix.lower() in PICTURES)
        if not self._files:
            what = "has no pictures" if path.is_dir() else "is no folder here"
            raise ScenarioError(
                f"workload.start.pictures: {folder} {what}; give a folder of {', '.join(PICTURES)} "
                f"on the machine of the devices, or {CATALOGUE_PICTURES}"
            )

    def image(self, number: int) -> Image.Image:
        file = self._files[number % len(self._files)]
        try:
            with Image.open(file) as image:
                return image.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise PromptError(f"the start picture {file} cannot be read: {error}") from error


class RenderedPictures(StartSource):
    """Renders of the catalogue: to a core prompt its object on the background that comes next in
    the catalogue. Raises ScenarioError for a catalogue that cannot be rendered."""

    def __init__(self, catalogue: Catalogue, height: int, width: int) -> None:
        from midstep.reuse.judge import can_judge

        super().__init__(height, width)
        self._catalogue = catalogue
        if not can_judge(catalogue):
            raise ScenarioError(
                f"workload.start.pictures: {CATALOGUE_PICTURES}: nobody can render this "
                f"catalogue's prompts; give a folder of pictures"
            )

    def image(self, number: int) -> Image.Image:
        from midstep.reuse.render import Spec, render

        edge = self._catalogue.edges[number]
        background = (edge.background + 1) % len(self._catalogue.backgrounds)
        pixels = render(self._catalogue, Spec(Edge(edge.thing, background)), number)
        return Image.fromarray(np.asarray(pixels))


def open_starts(scenario: Scenario, height: int, width: int) -> StartSource | None:
    """The start pictures of a scenario's users; None where none have any. Raises ScenarioError."""
    settings = scenario.workload.start
    if settings is None:
        return None
    if settings.pictures == CATALOGUE_PICTURES:
        return RenderedPictures(find_catalogue(scenario), height, width)
    return FolderPictures(settings.pictures, height, width)
