"""How far an output may be reused: measured qualities, and the limits that follow from them."""
