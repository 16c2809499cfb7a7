"""Whether a run's pictures show what their prompts say: `midstep judge`."""
