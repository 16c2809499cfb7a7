"""Workload: the catalogue of prompts, their popularity, and requests by (user, index, slot)."""
