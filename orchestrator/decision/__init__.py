"""The mathematics below every policy: the problem (9) to (34), exact solutions, slots in lanes,
draws."""
