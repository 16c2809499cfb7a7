"""`midstep reuse-curve`: what a rule that serves a prompt from another prompt's output saves, and
what it costs in quality."""
