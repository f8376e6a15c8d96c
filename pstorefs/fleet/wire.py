"""Messages between the process that asks and the one that uses obstore (apart.py, worker.py)."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

#: What a worker says, at times, before its answer. A list is a request for each 1,000 of its keys.
AT_WORK = None
_HEAD = struct.Struct("!II")


class Wire:
    """Messages on a socket: what JSON can say, and bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, about: object, data: bytes = b"") -> None:
        """Send a message. OSError."""
        text = json.dumps(about).encode()
        for piece in (_HEAD.pack(len(text), len(data)), text, data):  # a list may be 200 MB
            self._connection.sendall(piece)

    def receive(self) -> tuple[Any, bytes]:
        """Wait for a message. EOFError if the other side is gone; OSError."""
        text, data = _HEAD.unpack(self._read(_HEAD.size))
        return json.loads(self._read(text)), self._read(data)

    def _read(self, size: int) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._connection.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return bytes(data)

    def patience(self, seconds: float) -> None:
        """Wait so long for each piece from now on, and then raise TimeoutError."""
        self._connection.settimeout(seconds)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
