"""What users ask for: the catalogue of prompts, how popular they are, and requests by (user, index,
slot)."""
