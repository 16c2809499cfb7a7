"""A diffusers pipeline cut at step m: denoisers, the engine that batches them step by step, and
step times."""
