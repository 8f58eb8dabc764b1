"""A client of TURN over UDP (RFC 8656), as much of it as shows what a relay allows."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Self

from herd_services.jitsi.relay.stun import Message, long_term_key, parsed, request
from support import PATIENCE

_ALLOCATE, _PERMIT, _SEND = 0x0003, 0x0008, 0x0016
_USERNAME, _REALM, _NONCE, _PEER, _DATA, _RELAYED, _TRANSPORT = 0x06, 0x14, 0x15, 0x12, 0x13, 0x16, 0x19
_COOKIE = 0x2112A442
_UDP = bytes([17, 0, 0, 0])


class Refused(Exception):
    """By its code."""


class Relay:
    """One that is asked for at a server, with a user's name and password. Raises Refused."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", port))
        self._proof: dict[int, bytes] = {}
        self._key: bytes | None = None
        try:
            first = self._ask(_ALLOCATE, {_TRANSPORT: _UDP})
            assert first.error == 401
            realm = first.attributes[_REALM]
            self._proof = {_USERNAME: user.encode(), _REALM: realm, _NONCE: first.attributes[_NONCE]}
            self._key = long_term_key(user, realm.decode(), password)
            made = self._allowed(_ALLOCATE, {_TRANSPORT: _UDP})
        except BaseException:
            self._socket.close()
            raise
        self.port: int = struct.unpack_from(">H", made.attributes[_RELAYED], 2)[0] ^ (_COOKIE >> 16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def permit(self, peer: str, port: int = 9) -> None:
        """Ask to send to a peer. Raises Refused."""
        self._allowed(_PERMIT, {_PEER: _address(peer, port)})

    def send(self, peer: str, port: int, data: bytes) -> None:
        """Have something sent to a peer."""
        self._socket.send(request(_SEND, {_PEER: _address(peer, port), _DATA: data}))

    def _allowed(self, kind: int, attributes: dict[int, bytes]) -> Message:
        answer = self._ask(kind, attributes)
        if answer.kind != kind | 0x0100:
            raise Refused(str(answer.error))
        return answer

    def _ask(self, kind: int, attributes: dict[int, bytes]) -> Message:
        self._socket.send(request(kind, attributes | self._proof, self._key))
        return parsed(self._socket.recv(65536))


def _address(host: str, port: int) -> bytes:
    number = int(ipaddress.IPv4Address(host)) ^ _COOKIE
    return struct.pack(">BBHI", 0, 1, port ^ (_COOKIE >> 16), number)
