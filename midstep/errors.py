"""Errors a user can act on: one line that says what is wrong, where, and what would be right."""

from __future__ import annotations

EXIT_MISSED = 1  # a threshold or a check was missed
EXIT_INPUT = 2  # bad input
EXIT_DIED = 3  # a part died
EXIT_INTERRUPTED = 130  # stopped at once, by the second Ctrl-C


class MidstepError(Exception):
    """Base of all errors that end a command with one clear line. `exit_status` is the command's."""

    exit_status = EXIT_INPUT


class ScenarioError(MidstepError):
    """A scenario's key or value is wrong; the text starts with the key's path."""


class ModelError(MidstepError):
    """A model cannot be found, loaded or cut."""


class FrameError(MidstepError):
    """A frame is damaged, or is not the output that was asked for."""


class QueueFull(MidstepError):
    """The edge refuses a request because its queue is full."""


class PromptError(MidstepError):
    """A prompt is empty or too long to be served."""


class EdgeUnreachable(MidstepError):
    """Nobody answers at the edge's address."""

    exit_status = EXIT_DIED


class CredentialsError(MidstepError):
    """Token, certificate or key is missing, wrong, or not what the other end has."""


class PartDied(MidstepError):
    """A process of the run died."""

    exit_status = EXIT_DIED


class PolicyFailed(PartDied):
    """A policy raised: it decides nothing any more."""
