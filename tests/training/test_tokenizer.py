"""The tokenizer takes any text, and knows the words of the grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from training import tokenizer
from training.paths import MODEL, catalogue

STRANGE = [
    "",
    " ",
    "日本語の絵",
    "émoji 🐼🦊",
    "\x00\x7f\u200b\u202e",
    "a" * 4000,
    "Ünïcode — “quotes”",
    "naïve\tcafé\n",
]


@pytest.fixture(scope="module")
def shipped() -> CLIPTokenizer:
    return tokenizer.load(MODEL / "tokenizer")


def test_every_word_is_one_token(shipped: CLIPTokenizer) -> None:
    for word in tokenizer.words_of(catalogue()):
        assert len(shipped(word).input_ids) == 3, word


def test_no_prompt_is_cut(shipped: CLIPTokenizer) -> None:
    words = catalogue()
    prompts = [words.prompt(edge, end) for edge in words.edges[:200] for end in words.endings]
    assert max(len(ids) for ids in shipped(prompts).input_ids) <= tokenizer.LENGTH


@pytest.mark.parametrize("text", STRANGE)
def test_any_text_is_taken(shipped: CLIPTokenizer, text: str) -> None:
    ids = shipped(text, padding="max_length", truncation=True).input_ids
    assert len(ids) == shipped.model_max_length == tokenizer.LENGTH
    assert all(0 <= number < len(shipped) for number in ids)


def test_bytes_are_never_unknown(shipped: CLIPTokenizer) -> None:
    text = "日本語 🐼"
    ids = shipped(text).input_ids[1:-1]
    assert shipped.eos_token_id not in ids


def test_building_again_gives_the_shipped_files(tmp_path: Path) -> None:
    tokenizer.build(catalogue(), tmp_path)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (MODEL / "tokenizer" / name).read_bytes()
