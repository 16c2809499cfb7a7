"""An embedding of a prompt by a pipeline's own text encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["embed_text"]


def embed_text(pipe: Any, prompt: str) -> NDArray[np.float32] | None:
    """Mean of the encoder's states over the prompt's own tokens, (d,), of any length; None where
    the pipeline has no text encoder.

    Padding and special tokens are left out: they are the same for every prompt, and there are more
    of them than of the prompt's own. The pooled output is one token's state, of the token with the
    highest id, which need not be the end. What the tokenizer cuts off does not count.
    """
    tokenizer = getattr(pipe, "tokenizer", None)
    encoder = getattr(pipe, "text_encoder", None)
    if tokenizer is None or encoder is None:
        return None
    most = int(tokenizer.model_max_length)
    ids: list[int] = tokenizer(prompt, truncation=True, max_length=most).input_ids
    special = set(tokenizer.all_special_ids)
    own = [place for place, token in enumerate(ids) if token not in special]
    with torch.inference_mode():
        states = encoder(torch.tensor([ids], device=encoder.device)).last_hidden_state[0]
        # a prompt of nothing but unknown characters has no tokens of its own
        mean = states[own].float().mean(0) if own else states.float().mean(0)
    vector: NDArray[np.float32] = mean.cpu().numpy()
    return vector
