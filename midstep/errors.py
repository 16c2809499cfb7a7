"""Errors a user can act on: one line that says what is wrong, where, and what would be right.

MidstepError
  ScenarioError       a scenario's key or value
  OptionError         an option of the command, or what it names
  RecordError         a run's folder, or a record in it
  AddressError        an address that cannot be reached or listened on
  CredentialsError    a token, certificate or key
  ModelError          a model that cannot be found, loaded or cut
  PromptError         a prompt that cannot be served
  QueueFull           a request that the edge has no room for
  FrameError          a damaged frame
    PipelineMismatch  a frame, or a request, of another pipeline or prompt
  LinkLost            a device's link that passes nothing any more
  CacheCorrupted      an edge's cache that does not add up any more
  EdgeUnreachable     an edge that does not answer any more
  PartDied            a process of the run
    PolicyFailed      a policy that raised
"""

from __future__ import annotations

__all__ = [
    "EXIT_DIED",
    "EXIT_INPUT",
    "EXIT_INTERRUPTED",
    "EXIT_MISSED",
    "AddressError",
    "CacheCorrupted",
    "CredentialsError",
    "EdgeUnreachable",
    "FrameError",
    "LinkLost",
    "MidstepError",
    "ModelError",
    "OptionError",
    "PartDied",
    "PipelineMismatch",
    "PolicyFailed",
    "PromptError",
    "QueueFull",
    "RecordError",
    "ScenarioError",
]

EXIT_MISSED = 1  # a threshold or a check was missed
EXIT_INPUT = 2  # bad input
EXIT_DIED = 3  # a part died
EXIT_INTERRUPTED = 130  # a signal ended it before its time


class MidstepError(Exception):
    """Base of all errors that end a command with one clear line. `exit_status` is the command's."""

    exit_status = EXIT_INPUT


class ScenarioError(MidstepError):
    """A scenario's key or value is wrong; the text starts with the key's path."""


class OptionError(MidstepError):
    """An option of the command is wrong, or what it names is; the text starts with the option."""


class RecordError(MidstepError):
    """A run's folder or a record in it cannot be read or written; the text starts with its path."""


class AddressError(MidstepError):
    """No service answers, or none can listen, at an address; the text names it."""


class CredentialsError(MidstepError):
    """Token, certificate or key is missing, wrong, or not what the other end has."""


class ModelError(MidstepError):
    """A model cannot be found, loaded or cut."""


class PromptError(MidstepError):
    """A prompt is empty or too long to be served."""


class QueueFull(MidstepError):
    """The edge refuses a request because its queue is full."""


class FrameError(MidstepError):
    """A frame is damaged."""


class PipelineMismatch(FrameError):
    """A frame or a request is of another pipeline, prompt or step than this end can continue."""


class LinkLost(MidstepError):
    """A device's link passed no frame whole for as long as the scenario's deadline."""


class CacheCorrupted(MidstepError):
    """The bytes or keys of an edge's cache do not add up any more: it must serve nobody."""

    exit_status = EXIT_DIED


class EdgeUnreachable(MidstepError):
    """An edge does not answer."""

    exit_status = EXIT_DIED


class PartDied(MidstepError):
    """A process of the run died."""

    exit_status = EXIT_DIED


class PolicyFailed(PartDied):
    """A policy raised: it decides nothing any more. `traceback` is the text of what it raised, and
    survives the way from one process to another."""

    def __init__(self, text: str, traceback: str = "") -> None:
        super().__init__(text)
        self.traceback = traceback

    def __reduce__(self) -> tuple[type[PolicyFailed], tuple[str, str]]:
        return type(self), (str(self), self.traceback)
