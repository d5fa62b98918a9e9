"""An archive that takes a fixed time for each C-MOVE and next to no CPU, however many come at once:
``python -m tests.bench.slow_archive MILLISECONDS`` prints its port. It sends nothing, says that one object
was sent, and speaks just enough DICOM (PS3.8 9.3, PS3.7 9.3.4.2) for a C-MOVE of a well-behaved SCU.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from struct import pack, unpack

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

_ASSOCIATE_RQ, _ASSOCIATE_AC, _DATA, _RELEASE_RQ, _RELEASE_RP = 1, 2, 4, 5, 6
_APPLICATION, _PROPOSED, _ACCEPTED, _SYNTAX, _USER, _LENGTH = 0x10, 0x20, 0x21, 0x40, 0x50, 0x51
_COMMAND, _LAST = 1, 2  # bits of a message control header (PS3.8 E.2)
_ITEMS = 68  # where the items of an A-ASSOCIATE begin
_IMPLICIT = b"1.2.840.10008.1.2"


def _pdu(kind: int, body: bytes) -> bytes:
    return pack(">BxL", kind, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return pack(">BxH", kind, len(body)) + body


def _accept(request: bytes) -> bytes:
    """Every presentation context, in Implicit VR Little Endian."""
    items, at = b"", _ITEMS
    while at < len(request):
        kind, length = unpack(">BxH", request[at : at + 4])
        if kind == _APPLICATION:
            items += request[at : at + 4 + length]
        elif kind == _PROPOSED:
            items += _item(_ACCEPTED, bytes([request[at + 4], 0, 0, 0]) + _item(_SYNTAX, _IMPLICIT))
        at += 4 + length
    return _pdu(_ASSOCIATE_AC, request[:_ITEMS] + items + _item(_USER, _item(_LENGTH, pack(">L", 16384))))


def _moved(command: bytes) -> bytes:
    """The command set of the final response: success, one sub-operation completed."""
    asked = read_dataset(BytesIO(command), is_implicit_VR=True, is_little_endian=True)
    answer = Dataset()
    answer.AffectedSOPClassUID = asked.AffectedSOPClassUID
    answer.CommandField = asked.CommandField | 0x8000
    answer.MessageIDBeingRespondedTo = asked.MessageID
    answer.CommandDataSetType = 0x0101
    answer.Status = 0
    answer.NumberOfCompletedSuboperations = 1
    answer.NumberOfFailedSuboperations = answer.NumberOfWarningSuboperations = 0
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, True
    write_dataset(encoded, answer)
    rest = encoded.getvalue()
    return pack("<HHLL", 0, 0, 4, len(rest)) + rest


async def _serve(seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    command = b""
    try:
        while True:
            kind, length = unpack(">BxL", await reader.readexactly(6))
            body = await reader.readexactly(length)
            if kind == _ASSOCIATE_RQ:
                writer.write(_accept(body))
            elif kind == _RELEASE_RQ:
                writer.write(_pdu(_RELEASE_RP, bytes(4)))
            elif kind == _DATA:
                control = body[5]
                command += body[6:] if control & _COMMAND else b""
                if control == _LAST:  # of the identifier
                    await asyncio.sleep(seconds)
                    value = bytes([body[4], _COMMAND | _LAST]) + _moved(command)
                    writer.write(_pdu(_DATA, pack(">L", len(value)) + value))
                    command = b""
    except asyncio.IncompleteReadError:
        writer.close()


@contextmanager
def slow_archive(milliseconds: int) -> Iterator[int]:
    """Its port, while it runs as a process of its own."""
    command = [sys.executable, "-m", "tests.bench.slow_archive", str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def main() -> None:
    seconds = int(sys.argv[1]) / 1000
    server = await asyncio.start_server(partial(_serve, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
