"""Kinds of policies: the base classes of eviction rules, score planners and price planners, and
their drivers."""
