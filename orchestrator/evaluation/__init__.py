"""The paper's evaluation and its relatives: the slotted simulator, Figures 5 to 10, replay,
environment."""
