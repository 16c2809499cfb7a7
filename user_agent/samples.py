"""Sample of finished requests whose pictures a host makes again without reuse."""

from __future__ import annotations

from user_agent.finished import Finished

__all__ = ["Samples"]


class Samples:
    """At most `limit` requests, spread as evenly over the kinds of reuse as possible; of each kind
    the earliest."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kinds: dict[str, list[Finished]] = {}
        self._count = 0

    def add(self, finished: Finished) -> None:
        """Add a request, if it can be compared and its kind has room."""
        row = finished.row
        if finished.picture is None or row.result != "done" or row.variation_seed is not None:
            return  # a variation differs from its reference by intent, not by reuse
        kind = f"{row.reuse}, {row.likeness}"  # of another prompt's output: by likeness, too
        self._kinds.setdefault(kind, []).append(finished)
        self._count += 1
        if self._count > self.limit:
            max(self._kinds.values(), key=len).pop()
            self._count -= 1

    def chosen(self) -> list[Finished]:
        """The sampled requests, kind by kind."""
        return [finished for kind in self._kinds.values() for finished in kind]
