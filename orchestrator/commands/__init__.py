"""The subcommands of `midstep`: each room has some commands' options, and what they call."""
