"""Runs side by side: which requests are the same, and what a policy changes in each of them."""
