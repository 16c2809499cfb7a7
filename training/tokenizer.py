"""Make the tokenizer: byte-level BPE that has one token for each word of the grammar.

All 256 byte symbols are in the vocabulary, inside a word and at its end (``</w>``), so text in any
script becomes known tokens; only the grammar's own words become single ones.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from midstep.workload.catalogue import Catalogue

LENGTH = 32
"""Tokens of a prompt, both markers included; the longest prompt of the grammar needs 17."""

END = "</w>"
BOS = "<|startoftext|>"
EOS = "<|endoftext|>"


def byte_symbols() -> list[str]:
    """The printable character that stands for each byte 0..255, as in GPT-2 and CLIP."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in plain else next(spare)) for byte in range(256)]


def words_of(catalogue: Catalogue) -> list[str]:
    """Every word of the grammar, sorted; ``a`` and ``an`` and the comma included."""
    texts = [catalogue.prompt(edge, end) for edge in catalogue.edges for end in catalogue.endings]
    return sorted({word for text in texts for word in text.replace(",", " , ").split()})


def merges_for(words: list[str]) -> list[tuple[str, str]]:
    """Join the commonest neighbours until every word is one symbol (ties: alphabetical)."""
    spelled = [[*word[:-1], word[-1] + END] for word in words]
    merges = []
    while pairs := Counter(pair for s in spelled for pair in pairwise(s)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelled = [_join(symbols, best) for symbols in spelled]
    return merges


def _join(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined


def build(catalogue: Catalogue, folder: Path) -> CLIPTokenizer:
    """Write the tokenizer to ``folder`` and return it as the pipeline will load it."""
    folder.mkdir(parents=True, exist_ok=True)
    symbols = byte_symbols()
    merges = merges_for(words_of(catalogue))
    entries = [*symbols, *(s + END for s in symbols), *(a + b for a, b in merges), BOS, EOS]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(entries))}
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "bos_token": BOS,
        "eos_token": EOS,
        "unk_token": EOS,
        "pad_token": EOS,
        "add_prefix_space": False,
        "do_lower_case": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    special = {name: config[name] for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1) + "\n")
    return load(folder)


def load(folder: Path) -> CLIPTokenizer:
    """The tokenizer in ``folder``."""
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer
