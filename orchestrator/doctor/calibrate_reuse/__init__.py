"""`midstep calibrate --reuse`: measure how far a model's outputs may be reused."""
