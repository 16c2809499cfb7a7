"""A user's side: devices with throttled compute and a shaped link, many to a host. Starts alone."""
