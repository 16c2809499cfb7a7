"""Why a file of somebody's code could not be loaded, in one line with file and line number."""

from __future__ import annotations

import traceback

__all__ = ["reason"]


def reason(error: BaseException, file: str | None = None) -> str:
    """What was raised and where: the last line within `file` where that is named, else the last of
    all."""
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if file is None or frame.filename == file]
    return f"{inside[-1].filename}, line {inside[-1].lineno}: {what}" if inside else what
