"""A live run: its parts, the slot loop, the learner and its supervisor, users that come and go."""
