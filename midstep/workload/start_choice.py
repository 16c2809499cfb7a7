"""Which requests begin from a start picture, and from which."""

from __future__ import annotations

from midstep.draws import START, START_PICTURE, integer, uniform
from midstep.scenario import StartPictures
from midstep.workload.user_request import StartChoice, UserRequest, Workload

__all__ = ["WithStarts"]

NUMBERS = 2**31  # of pictures: a device takes them modulo those that it has


class WithStarts:
    """See Workload: another one's requests, of which a share begins from a picture. `numbers`: the
    picture of a core prompt, {}: any, drawn for each request."""

    def __init__(
        self, inner: Workload, settings: StartPictures, seed: int, numbers: dict[str, int]
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._seed = seed
        self._numbers = numbers

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        request = self._inner.user_request(user, index, slot)
        if request is None or uniform(self._seed, START, index, user) >= self._settings.share:
            return request
        if self._numbers:
            number = self._numbers.get(request.core)
        else:
            number = integer(NUMBERS, self._seed, START_PICTURE, index, user)
        if number is None:  # a prompt that the catalogue does not draw
            return request
        return request.with_start(StartChoice(number, self._settings.strength))
