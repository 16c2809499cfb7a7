"""`midstep hard-negatives`: whether a picture from another prompt's output shows its own prompt."""
