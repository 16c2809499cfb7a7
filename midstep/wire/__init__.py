"""Messages between device, edge and learner: plain values, their protocol messages, frames and
credentials."""
