"""Text encoder: a very small CLIP text model, trained together with the UNet."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.tokenizer import LENGTH

WIDTH = 128
"""Size of a token's embedding, which is the UNet's ``cross_attention_dim``."""


def build(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A fresh text model for this vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tokens(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    """Token numbers ``(N, LENGTH)``, padded as the pipeline pads them."""
    batch = tokenizer(prompts, padding="max_length", truncation=True, max_length=LENGTH)
    return torch.tensor(batch.input_ids)
