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
    "LONGEST_LINE",
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
    "one_line",
]

EXIT_MISSED = 1  # a threshold or a check was missed
EXIT_INPUT = 2  # bad input
EXIT_DIED = 3  # a part died
EXIT_INTERRUPTED = 130  # a signal ended it before its time

LONGEST_LINE = 300  # characters of an error's line
_WORDS = (80, 60, 40, 25)  # characters that long words are cut to, in turn
_END = 120  # of those, from the text's end: what would be right stands there


def one_line(text: str, most: int = LONGEST_LINE) -> str:
    """A text on one line of at most `most` characters, with blanks for what no terminal prints. Of
    a longer one long words, such as paths, are cut in their middles, and then the line is."""
    # a long text is cut before it is looked at: it may have megabytes
    if len(text) > 4 * LONGEST_LINE:
        text = f"{text[: 2 * LONGEST_LINE]} ... {text[-2 * LONGEST_LINE :]}"
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for width in _WORDS:
        if len(line) > most:
            line = " ".join(_shortened(word, width) for word in line.split(" "))
    if len(line) <= most:
        return line
    return f"{line[: most - _END - 5]} ... {line[-_END:]}"


def _shortened(word: str, width: int) -> str:
    half = (width - 3) // 2
    return word if len(word) <= width else f"{word[:half]}...{word[-half:]}"


class MidstepError(Exception):
    """Base of all errors that end a command with one clear line. `exit_status` is the command's."""

    exit_status = EXIT_INPUT

    def __str__(self) -> str:
        return one_line(super().__str__())


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
        return type(self), (self.args[0], self.traceback)
