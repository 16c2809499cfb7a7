"""A diffusers scheduler cut at a step: a window on its timesteps, and the state it must carry over
the cut.

The window is a subclass of the pipeline's own scheduler class: `set_timesteps` runs the full
schedule, the pipeline's loop then sees only `timesteps[a:b]`, and `step` sees them all, because
multistep solvers look ahead.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch

from midstep.errors import ModelError

__all__ = ["Reached", "Window", "bound", "changed", "detached", "restore", "snapshot"]


def bound(scheduler: Any, step: int, steps: int) -> int:
    """How many entries of the full `timesteps` belong to the first `step` of `steps` steps.

    Second-order solvers (Heun) evaluate twice a step, PNDM has warm-up entries: the last step is
    open-ended.
    """
    total = len(scheduler.timesteps)
    return total if step >= steps else min(step * int(getattr(scheduler, "order", 1)), total)


def snapshot(scheduler: Any) -> dict[str, Any]:
    """The scheduler's attributes now; lists are copied, because solvers change them in place."""
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(scheduler).items()
    }


def detached(scheduler: Any, fresh: dict[str, Any]) -> dict[str, Any]:
    """A snapshot that nothing changes afterwards: tensors that are not those of the snapshot
    `fresh` are copied, because solvers may write into them (PNDM)."""
    return {
        name: value if value is fresh.get(name, _missing) else _copy(value)
        for name, value in vars(scheduler).items()
    }


def changed(attributes: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    """The attributes in which a snapshot differs from `fresh`: what a frame must carry."""
    return {
        name: value
        for name, value in attributes.items()
        if not name.startswith("_midstep") and not _same(value, fresh.get(name, _missing))
    }


def restore(scheduler: Any, state: dict[str, Any], device: torch.device | str) -> None:
    """Give a fresh scheduler, after its set_timesteps, a copy of what a frame carried."""
    for name, value in state.items():
        setattr(scheduler, name, _to(value, device))


class Reached(Exception):
    """Ends a loop that sees the whole schedule: `latent` is the output at the window's stop."""

    def __init__(self, latent: torch.Tensor) -> None:
        super().__init__()
        self.latent = latent


class Window:
    """The part of the schedule to run, and the solver's state before and after it.

    `start`, `stop`: steps; `state`, `rng`: what the frame at `start` carried; after the run
    `carried` is what the frame at `stop` must carry and `rng` the generator's new state, None where
    nothing was drawn. `open`: the loop sees the whole schedule, as a pipeline has to that leaves
    out the steps before `start` itself, and is ended by `Reached`.
    """

    def __init__(
        self,
        steps: int,
        start: int,
        stop: int,
        state: dict[str, Any],
        device: torch.device | str = "cpu",
        *,
        open: bool = False,
    ) -> None:
        self.open = open
        self.calls = 0  # of the scheduler's step
        self.steps = steps
        self.start = start
        self.stop = stop
        self.state = state
        self.device = device
        self.inside = 0
        self.fresh: dict[str, Any] = {}
        self.rng_before: torch.Tensor | None = None
        self.rng: torch.Tensor | None = None

    def of(self, scheduler: Any) -> Any:
        """A scheduler like this one whose loop is the window."""
        if not callable(getattr(scheduler, "set_timesteps", None)):
            raise ModelError(f"{type(scheduler).__name__} has no set_timesteps: it cannot be cut")
        clone = copy.deepcopy(scheduler)
        full = vars(clone).pop("timesteps")
        base: Any = type(scheduler)
        clone.__class__ = _windowed(base)
        clone._midstep = self
        clone._midstep_timesteps = full
        return clone

    def entries(self, scheduler: Any) -> int:
        """How many entries of the schedule are in it, once the schedule is set."""
        self.inside += 1
        try:
            first, last = (bound(scheduler, step, self.steps) for step in (self.start, self.stop))
        finally:
            self.inside -= 1
        return last - first

    def carried(self, scheduler: Any) -> dict[str, Any]:
        """The solver's state that the frame at `stop` must carry."""
        return changed(snapshot(scheduler), self.fresh)


@functools.cache
def _windowed(base: Any) -> Any:
    def inside(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)  # keeps the signature, which pipelines introspect
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            self._midstep.inside += 1
            try:
                return method(self, *args, **kwargs)
            finally:
                self._midstep.inside -= 1

        return call

    @functools.wraps(base.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
        window = self._midstep
        window.inside += 1
        try:
            base.set_timesteps(self, *args, **kwargs)
        finally:
            window.inside -= 1
        window.fresh = snapshot(self)
        restore(self, window.state, window.device)

    @functools.wraps(base.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        window = self._midstep
        generator = kwargs.get("generator")
        before = (
            generator.get_state() if generator is not None and window.rng_before is None else None
        )
        if before is not None:
            window.rng_before = before
        window.inside += 1
        try:
            output = base.step(self, *args, **kwargs)
        finally:
            window.inside -= 1
            if generator is not None:
                after = generator.get_state()
                window.rng = None if torch.equal(after, window.rng_before) else after
        window.calls += 1
        if window.open and window.calls == window.entries(self):
            raise Reached(output[0])
        return output

    def timesteps(self: Any) -> Any:
        full = self._midstep_timesteps
        window = self._midstep
        if window.inside or window.open or full is None or not window.fresh:
            return full
        window.inside += 1
        try:
            return full[
                bound(self, window.start, window.steps) : bound(self, window.stop, window.steps)
            ]
        finally:
            window.inside -= 1

    def set_full(self: Any, value: Any) -> None:
        self._midstep_timesteps = value

    body: dict[str, Any] = {
        "set_timesteps": set_timesteps,
        "step": step,
        "timesteps": property(timesteps, set_full),
    }
    for name in ("scale_model_input", "index_for_timestep", "add_noise"):
        if hasattr(base, name):
            body[name] = inside(getattr(base, name))
    if isinstance(getattr(base, "init_noise_sigma", None), property):
        body["init_noise_sigma"] = property(
            lambda self: 1.0 if self._midstep.start else base.init_noise_sigma.fget(self)
        )
    else:
        body["init_noise_sigma"] = property(
            lambda self: 1.0 if self._midstep.start else vars(self).get("init_noise_sigma", 1.0),
            lambda self, value: vars(self).__setitem__("init_noise_sigma", value),
        )
    return type(base.__name__, (base,), body)


_missing = object()


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    try:
        return type(a) is type(b) and bool(a == b)
    except (ValueError, TypeError, RuntimeError):
        return False


def _to(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device, copy=True)
    return [_to(item, device) for item in value] if isinstance(value, list) else value
