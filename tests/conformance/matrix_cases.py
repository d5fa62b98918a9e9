"""The acknowledgment modes as a table: MSH-15 and MSH-16 to what is sent, and in which order.

HL7 v2 ch. 2.9.2 (original mode), 2.9.3 (enhanced mode), tables 0155 (AL always, NE never, ER errors and
rejects, SU success) and 0008. Enhanced mode begins where either field is valued; the other then counts as NE.
Accept acknowledgments (CA, CE, CR) tell of the commit, application acknowledgments (AA, AE, AR) of the
retrieve, each in a message of its own. A message that is refused is none to the application: it has no
application acknowledgment, unless no accept acknowledgment may say so and MSH-16 asks for errors. An
acknowledgment is never acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.conformance.case import Case, Exchange, Level

MATRIX = """
MSH-15 MSH-16 | good  | fails | refused
-      -      | AA    | AE    | AE
-      AL     | AA    | AE    | AE
-      NE     | -     | -     | -
-      ER     | -     | AE    | AE
-      SU     | AA    | -     | -
AL     -      | CA    | CA    | CE
AL     AL     | CA AA | CA AE | CE
AL     NE     | CA    | CA    | CE
AL     ER     | CA    | CA AE | CE
AL     SU     | CA AA | CA    | CE
NE     -      | -     | -     | -
NE     AL     | AA    | AE    | AE
NE     NE     | -     | -     | -
NE     ER     | -     | AE    | AE
NE     SU     | AA    | -     | -
ER     -      | -     | -     | CE
ER     AL     | AA    | AE    | CE
ER     NE     | -     | -     | CE
ER     ER     | -     | AE    | CE
ER     SU     | AA    | -     | CE
SU     -      | CA    | CA    | -
SU     AL     | CA AA | CA AE | AE
SU     NE     | CA    | CA    | -
SU     ER     | CA    | CA AE | AE
SU     SU     | CA AA | CA    | -
"""
"""``fails``: the message is kept, its retrieve fails. ``refused``: two messages in one block, which is no
matter of MSH-9, 11 or 12, and so CE and not CR."""

_MESSAGE = (
    "MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|19991231235959||ORM^O01|${A}|P|2.5.1|||MSH-15|MSH-16<CR>"
    "PID|1||FF-1001^^^FOREST^MR<CR>PV1|1|O|PV1-3<CR>ORC|RE|P1|F1<CR>OBR|1|P1|F1|CT^CT<CR>"
    "ZDS|2.25.1001002^FF^Application^DICOM<CR>"
)
_FATES = {"good": ("RAD", ""), "fails": ("NOWHERE", ""), "refused": ("RAD", "${good B}")}


@dataclass(frozen=True, slots=True)
class Row:
    """One pair with one fate of the message, and the acknowledgment codes in order."""

    accept: str
    application: str
    fate: str
    codes: tuple[str, ...]


def rows() -> Iterator[Row]:
    """The table, read."""
    head, *lines = MATRIX.strip().splitlines()
    fates = [cell.strip() for cell in head.split("|")[1:]]
    for line in lines:
        pair, *cells = line.split("|")
        accept, application = (word.strip("-") for word in pair.split())
        for fate, cell in zip(fates, cells, strict=True):
            yield Row(accept, application, fate, tuple(cell.replace("-", "").split()))


def matrix_cases() -> list[Case]:
    """A case for each cell, for the routes of receiver.py."""
    return [_case(row) for row in rows()]


def _case(row: Row) -> Case:
    location, after = _FATES[row.fate]
    message = _MESSAGE.replace("MSH-15", row.accept).replace("MSH-16", row.application)
    message = message.replace("PV1-3", location) + after
    answers = tuple({"MSA-1": code, "MSA-2": "${A}", "MSH-16": "(NE)?"} for code in row.codes)
    return Case(
        name=f"MSH-15 {row.accept or 'empty'}, MSH-16 {row.application or 'empty'}, {row.fate}",
        clause="HL7 v2 ch. 2.9.2, 2.9.3; table 0155",
        why="A sender that asked for an answer waits for it; one that did not may take it for another.",
        level=Level.MUST,
        exchanges=(Exchange(f"<VT>{message}<FS><CR>", answers=answers),),
    )


def acknowledgment_cases() -> list[Case]:
    """Acknowledgments that come in are taken without a word, whatever they ask."""
    return [
        Case(
            name=f"{code} with MSH-15 and MSH-16 {kind or 'empty'} is not acknowledged",
            clause="HL7 v2 ch. 2.9.2, 2.9.3",
            why="Two systems that acknowledge acknowledgments never end.",
            level=Level.MUST,
            exchanges=(
                Exchange(
                    "<VT>MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|19991231235959||ACK^O01^ACK|${A}|P|2.5.1"
                    f"|||{kind}|{kind}<CR>MSA|{code}|${{B}}<CR><FS><CR>"
                ),
            ),
        )
        for code in ("AA", "AE", "AR", "CA", "CE", "CR")
        for kind in ("", "AL", "NE")
    ]
