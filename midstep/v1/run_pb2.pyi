from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ScaleRequest(_message.Message):
    __slots__ = ("users", "edge")
    USERS_FIELD_NUMBER: _ClassVar[int]
    EDGE_FIELD_NUMBER: _ClassVar[int]
    users: int
    edge: str
    def __init__(self, users: _Optional[int] = ..., edge: _Optional[str] = ...) -> None: ...

class ScaleReply(_message.Message):
    __slots__ = ("users",)
    USERS_FIELD_NUMBER: _ClassVar[int]
    users: int
    def __init__(self, users: _Optional[int] = ...) -> None: ...
