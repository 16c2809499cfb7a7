"""The figures that the README quotes, each by one command, as ratios within one run."""
