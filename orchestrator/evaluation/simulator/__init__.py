"""The slotted model of the paper: many seeds and sweep points at once, no process, no packet."""
