"""What users ask for: the catalogue of prompts, and requests by (user, index, slot)."""
