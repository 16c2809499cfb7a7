"""Figures 8 to 10 on the engine's own code: `midstep reproduce --engine`, `--live`, `--real`."""
