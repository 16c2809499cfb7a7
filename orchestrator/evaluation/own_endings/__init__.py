"""`midstep own-endings`: how different two users' pictures of one output are."""
