"""What a scenario's trees are made of: their base class, and values with units."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from midstep import units

__all__ = ["MOST_USERS", "Bytes", "Params", "Range", "Resources", "Seconds", "Tree"]

MOST_USERS = 1_000_000  # of a run: a bound before anything is made for each of them
LONGEST_TEXT = 4095  # bytes of any text but a name, which may be a path
LONGEST_PART = 255  # bytes between two slashes of it

Seconds = Annotated[float, BeforeValidator(units.seconds), Field(ge=0)]
Bytes = Annotated[int, BeforeValidator(units.size), Field(gt=0)]
Range = tuple[float, float]
Resources = dict[str, Annotated[float, Field(strict=True)]]  # strict: no yes or no


def _param(value: Any) -> Any:
    """A parameter's value as it is. Raises ValueError, one line, where a parameter cannot be it:
    a union of types would name only the first that it is not."""
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"{units.excerpt(value)} is no number, text or truth value")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number that can be counted with; give a finite one")
    return value


# parameters of a policy or a rule, by name
Params = dict[str, Annotated[bool | int | float | str, BeforeValidator(_param)]]


def _check_length(text: str) -> None:
    """Raise ValueError for a text that no file can have as its name."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(data)} bytes, the limit is {LONGEST_TEXT}")
    longest = max(map(len, data.split(b"/")))
    if longest > LONGEST_PART:
        raise ValueError(f"{longest} bytes without a slash, the limit is {LONGEST_PART}")


class Tree(BaseModel):
    """Base class of a scenario's parts: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's yes, no, on and off are truth values, and Python takes those for 1 and 0."""
        field = cls.model_fields[str(info.field_name)]
        # a policy's file is in the record as a text, and a negative prompt names no file
        if isinstance(value, str) and info.field_name not in ("source", "text", "negative"):
            _check_length(value)
        if isinstance(value, bool) and field.annotation not in (bool, bool | None):
            raise ValueError("yes, no, on, off, true and false are truth values; none is wanted")
        return value
