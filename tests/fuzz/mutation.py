"""Draws of what is odd: texts, values, and damage to bytes and trees."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

__all__ = ["damaged", "nasty_text", "nasty_value", "with_odd_leaf"]

TEXTS = (
    "",
    " ",
    "a" * 300,
    "9" * 400,
    "\x00",
    "a\nb\nc",
    "\u2028",
    "\ufeff",
    "²",
    "🐼" * 50,
    "../../etc/passwd",
    "<script>alert(1)</script>",
    ".inf",
    "-1",
    "1e400",
    "0x" + "f" * 40,
    "1_000",
    "nan",
    "yes",
    "null",
    "2001-99-99",
    "!!timestamp x",
    "!!float x",
    "!!python/object:os.system x",
    "&a [*a]",
    "*none",
    "{<<: 3}",
    "[" * 200,
    "{a: " * 200,
    "- " * 200,
    "? " * 100,
    "'",
    '"\\ud800"',
    "[&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b],"
    " &d [*c,*c,*c,*c,*c,*c,*c,*c,*c], [*d,*d,*d,*d,*d,*d,*d,*d,*d]]",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**29,
    -(10**40),
    10**400,
    0.5,
    -0.0,
    1e308,
    1e-308,
    float("inf"),
    float("nan"),
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": {}}},
    [1] * 100,
    "x",
)


def nasty_text(rng: Random) -> str:
    """An odd text, now and then a long one."""
    text = rng.choice(TEXTS)
    if rng.random() < 0.05:
        text = (text or "x") * rng.choice((10, 100, 2000))
    return text


def nasty_value(rng: Random) -> Any:
    """An odd value of any type."""
    return copy.deepcopy(rng.choice(VALUES)) if rng.random() < 0.7 else nasty_text(rng)


def with_odd_leaf(tree: Any, rng: Random) -> Any:
    """A copy of a tree of dicts and lists in which one value is odd, gone, or there twice."""
    tree = copy.deepcopy(tree)
    node = tree
    while isinstance(node, (dict, list)) and node:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        child = node[key]
        if not isinstance(child, (dict, list)) or not child or rng.random() < 0.2:
            choice = rng.random()
            if choice < 0.15:
                del node[key]
            elif choice < 0.25 and isinstance(node, dict):
                node[nasty_text(rng)] = node.pop(key)
            else:
                node[key] = nasty_value(rng)
            return tree
        node = child
    return nasty_value(rng)


def damaged(data: bytes, rng: Random) -> bytes:
    """Bytes with one damage that a disk, a kill or a stranger may do."""
    return rng.choice(DAMAGES)(data, rng)


def _flipped(data: bytes, rng: Random) -> bytes:
    if not data:
        return b"\x00"
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _without(data: bytes, rng: Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 10, 100)) :]


def _twice(data: bytes, rng: Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    end = start + rng.choice((1, 20, 500))
    return data[:end] + data[start:end] * rng.choice((1, 1, 50)) + data[end:]


def _with_odd_text(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + nasty_text(rng).encode("utf-8", "surrogatepass") + data[at:]


def _with_odd_bytes(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 64))) + data[at:]


def _nothing(data: bytes, rng: Random) -> bytes:
    return rng.choice((b"", b"\n", b"{}", b"[]", b"null", b"0", b"\xff\xfe", b"\x00" * 4096))


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped,
    _flipped,
    _cut,
    _without,
    _twice,
    _with_odd_text,
    _with_odd_bytes,
    _nothing,
)
