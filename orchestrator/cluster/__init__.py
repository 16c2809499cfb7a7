"""All that knows Ray and machines: actors, where they are placed, and what a machine can carry."""
