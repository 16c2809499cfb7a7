"""What events do to a live run, a room for each kind of part."""

from orchestrator.live.faults.injection import Injection
from orchestrator.live.faults.injector import Injector
from orchestrator.live.faults.room import Room, World

__all__ = ["Injection", "Injector", "Room", "World"]
