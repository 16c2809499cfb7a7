"""Validation: one scenario on three roads, simulated, in virtual time and live, and how far they
agree."""
