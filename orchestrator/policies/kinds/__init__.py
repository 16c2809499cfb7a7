"""The kinds of policies: what eviction rules, score planners and price planners share, and who
drives each."""
