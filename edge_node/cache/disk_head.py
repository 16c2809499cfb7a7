"""The head of an output on the disk: all but its payload, with a checksum over its key too."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_node.cache.base import Entry
from midstep.errors import FrameError
from midstep.wire.frame import Frame

__all__ = ["HEAD_BYTES", "Contents", "Facts", "Name", "key_of", "name_of"]

Name = tuple[str, int]  # an output's prompt_key and step

# checksum of the rest, last use, payload bytes, frame checksum, steps, truncated, prompt bytes,
# embedding floats, embedder
_HEAD = struct.Struct("<IQIIIBHHI")
_STEP = struct.Struct(">I")
HEAD_BYTES = _HEAD.size


class Facts(NamedTuple):
    """The numbers of a head; `text` and `floats` say how long prompt and embedding are, `tag` who
    made the embedding."""

    checksum_of_head: int
    used: int
    nbytes: int
    checksum: int
    steps: int
    truncated: int
    text: int
    floats: int
    tag: int


def key_of(name: Name) -> bytes:
    """An output's key in the file."""
    return name[0].encode() + _STEP.pack(name[1])


def name_of(key: bytes) -> Name:
    """The output of a key. Raises FrameError where it is none."""
    try:
        return key[:-4].decode(), int.from_bytes(key[-4:], "big")
    except UnicodeDecodeError as error:
        raise FrameError("the key of an output on the disk is damaged") from error


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a file is of: outputs of `pipeline`, whose frames have such `numbers` (reuse.frame).
    `embedder` names what made the embeddings; those of another are passed over."""

    pipeline: str
    numbers: str = "float32"
    embedder: str = ""

    def pack(self, key: bytes, entry: Entry, used: int) -> bytes:
        """An output's head. `key` is in its checksum, so that no other output can stand under
        it."""
        frame = entry.frame
        prompt = entry.prompt.encode("utf-8", "surrogatepass")
        vector = b"" if entry.embedding is None else entry.embedding.astype(np.float32).tobytes()
        facts = Facts(
            checksum_of_head=0,
            used=used,
            nbytes=frame.nbytes,
            checksum=frame.checksum,
            steps=frame.steps,
            truncated=entry.truncated,
            text=len(prompt),
            floats=len(vector) // 4,
            tag=self._tag(),
        )
        return _sealed(key, _HEAD.pack(*facts)[4:] + prompt + vector)

    def facts(self, key: bytes, head: bytes | memoryview) -> Facts:
        """A head's numbers. Raises FrameError where it is damaged."""
        if len(head) >= HEAD_BYTES:
            facts = Facts._make(_HEAD.unpack_from(head))
            length = HEAD_BYTES + facts.text + 4 * facts.floats
            checksum = zlib.crc32(head[4:], zlib.crc32(key))
            if (checksum, len(head)) == (facts.checksum_of_head, length):
                return facts
        raise FrameError("the head of an output on the disk is damaged: its checksum differs")

    def entry(self, key: bytes, head: bytes, payload: bytes) -> Entry:
        """An output. Raises FrameError where its head or its payload is damaged, or it is not what
        its key says."""
        facts = self.facts(key, head)
        prompt_key, step = name_of(key)
        frame = Frame(self.pipeline, prompt_key, step, facts.steps, payload, facts.checksum)
        if len(payload) != facts.nbytes:
            raise FrameError(f"{prompt_key[:12]} has {len(payload)} of {facts.nbytes} bytes")
        frame.verify(self.pipeline, prompt_key)
        prompt = self.prompt(facts, head)
        return Entry(prompt, frame, bool(facts.truncated), embedding=self.vector(facts, head))

    def prompt(self, facts: Facts, head: bytes) -> str:
        """The prompt in a head."""
        return head[HEAD_BYTES : HEAD_BYTES + facts.text].decode("utf-8", "surrogatepass")

    def vector(self, facts: Facts, head: bytes) -> NDArray[np.float32] | None:
        """The embedding in a head; None where there is none by this embedder."""
        if not facts.floats or facts.tag != self._tag():
            return None
        return np.frombuffer(head, np.float32, facts.floats, HEAD_BYTES + facts.text).copy()

    def used_at(self, key: bytes, head: bytes, used: int) -> bytes:
        """The same head, used later. One that is damaged stays so."""
        try:
            self.facts(key, head)
        except FrameError:
            return head
        return _sealed(key, struct.pack("<Q", used) + head[12:])

    def _tag(self) -> int:
        return zlib.crc32(self.embedder.encode())


def _sealed(key: bytes, rest: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(rest, zlib.crc32(key))) + rest
