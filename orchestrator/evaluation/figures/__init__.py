"""The paper's evaluation: `midstep reproduce`, one module a figure or a kind of figure."""
