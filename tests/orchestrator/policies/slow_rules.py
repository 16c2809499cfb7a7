"""Each rule's slow definition: lists, and the whole history at every victim. And how large the
tests' items are."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def size_of(key: str) -> int:
    """Unequal sizes, from 1 to 13, the same for a key each time."""
    return 1 + int(key) * 7 % 13


def steps_of(key: str) -> int:
    """Unequal steps, from 2 to 6."""
    return 2 + int(key) * 3 % 5


def by_key(
    worth: Callable[[str, list[str], int, int], object],
) -> Callable[[Sequence[str], int], list[bool]]:
    """Who leaves is the least by worth(key, the trace so far, when it came in, when it was used
    last)."""

    def simulate(trace: Sequence[str], capacity: int) -> list[bool]:
        came: dict[str, int] = {}
        last: dict[str, int] = {}
        hits = []
        for i, key in enumerate(trace):
            hits.append(key in came)
            if key not in came:
                while came and sum(map(size_of, came)) + size_of(key) > capacity:
                    past = list(trace[:i])
                    del came[min(came, key=lambda k: worth(k, past, came[k], last[k]))]  # type: ignore[arg-type]
                came[key] = i
            last[key] = i
        return hits

    return simulate


def uses(key: str, past: list[str], came: int) -> int:
    return past[came:].count(key)


DEFINITIONS = {
    "fifo": by_key(lambda key, past, came, last: came),
    "lru": by_key(lambda key, past, came, last: last),
    "lfu": by_key(lambda key, past, came, last: (uses(key, past, came), last)),
    "lcbfu": by_key(lambda key, past, came, last: (uses(key, past, came) * steps_of(key), last)),
}


def gdsf(trace: Sequence[str], capacity: int) -> list[bool]:
    clock = 0.0
    hits = []
    held: dict[str, tuple[int, float, int]] = {}  # uses, priority, last use
    for i, key in enumerate(trace):
        hits.append(key in held)
        if key not in held:
            while sum(map(size_of, held)) + size_of(key) > capacity:
                victim = min(held, key=lambda k: held[k][1:])
                clock = held.pop(victim)[1]
        count = held[key][0] + 1 if key in held else 1
        held[key] = count, clock + count * steps_of(key) / size_of(key), i
    return hits


def sieve(trace: Sequence[str], capacity: int) -> list[bool]:
    queue: list[list[object]] = []  # [key, used], oldest first
    hand = 0
    hits = []
    for key in trace:
        entries = [entry for entry in queue if entry[0] == key]
        hits.append(bool(entries))
        for entry in entries:
            entry[1] = True
        if entries:
            continue
        while sum(size_of(str(k)) for k, _ in queue) + size_of(key) > capacity:
            while queue[hand := hand % len(queue)][1]:
                queue[hand][1] = False
                hand += 1
            del queue[hand]
            # beyond the newest is the oldest, also if newer ones come
            hand = hand if hand < len(queue) else 0
        queue.append([key, False])
    return hits


def s3_fifo(trace: Sequence[str], capacity: int) -> list[bool]:
    small: list[str] = []
    main: list[str] = []
    ghost: list[str] = []
    count: dict[str, int] = {}
    small_room = int(capacity * 0.1)
    ghost_room = int(capacity * 0.9)
    evicted = False
    hits = []

    def total(keys: list[str]) -> int:
        return sum(map(size_of, keys))

    for key in trace:
        hits.append(key in count)
        if key in count:
            count[key] += 1
            continue
        returns = key in ghost
        if returns:
            ghost.remove(key)
        while total(small) + total(main) + size_of(key) > capacity:
            evicted = True
            if total(main) > capacity - small_room or not small:
                oldest = main.pop(0)
                if count[oldest]:
                    main.append(oldest)
                    count[oldest] = min(3, count[oldest]) - 1
                else:
                    del count[oldest]
                continue
            while (
                small
            ):  # what is promoted does not count as room made, and nothing is looked at in between
                oldest = small.pop(0)
                if count[oldest] >= 2:
                    main.append(oldest)
                    count[oldest] = 0
                    continue
                del count[oldest]
                if size_of(oldest) <= ghost_room:
                    ghost.append(oldest)
                while total(ghost) > ghost_room:
                    del ghost[0]
                break
        count[key] = 0
        (main if returns or (not evicted and total(small) >= small_room) else small).append(key)
    return hits


DEFINITIONS.update({"gdsf": gdsf, "sieve": sieve, "s3-fifo": s3_fifo})
