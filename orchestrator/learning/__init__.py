"""What the learners share: networks with a lane axis, replay memory, quantisation. Imports torch."""
