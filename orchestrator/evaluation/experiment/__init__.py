"""`midstep experiment`: a scenario and what varies, played as many times as it takes, and one table
of what differs by more than chance."""
