"""An edge's cache: the store with its capacity, and staging, where fresh outputs wait for the
policy's decision."""
