"""What an edge keeps: the store under its capacity, and staging, where fresh outputs wait for the
policy."""
