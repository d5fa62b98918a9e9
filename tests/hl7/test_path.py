"""Field paths: each documented form is read, and anything else is refused with an example."""

from __future__ import annotations

import pytest

from engine.hl7.path import Chosen, FieldPath


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("PID-3", FieldPath("PID-3", "PID", 3)),
        ("PID-3.1", FieldPath("PID-3.1", "PID", 3)),
        ("PID-3.4.2", FieldPath("PID-3.4.2", "PID", 3, component=4, subcomponent=2)),
        ("PID-3(2).1", FieldPath("PID-3(2).1", "PID", 3, repetition=2)),
        ("PID-3(*).1", FieldPath("PID-3(*).1", "PID", 3)),
        ("OBR(2)-4.1", FieldPath("OBR(2)-4.1", "OBR", 4, occurrence=2)),
        ("OBR(*)-4", FieldPath("OBR(*)-4", "OBR", 4)),
        ("PID-3[HOSP].1", FieldPath("PID-3[HOSP].1", "PID", 3, chosen=(Chosen(4, None, "HOSP"),))),
        ("PID-3[1.2.3]", FieldPath("PID-3[1.2.3]", "PID", 3, chosen=(Chosen(4, None, "1.2.3"),))),
        ("PID-3[5=MR].1", FieldPath("PID-3[5=MR].1", "PID", 3, chosen=(Chosen(5, 1, "MR"),))),
        (
            "PID-3[4.2=1.2.3,5=MR]",
            FieldPath("PID-3[4.2=1.2.3,5=MR]", "PID", 3, chosen=(Chosen(4, 2, "1.2.3"), Chosen(5, 1, "MR"))),
        ),
        ("zds-1", FieldPath("zds-1", "ZDS", 1)),
        (" OBR-4 ", FieldPath("OBR-4", "OBR", 4)),
    ],
)
def test_each_documented_form_is_read(text: str, path: FieldPath) -> None:
    assert FieldPath.parse(text) == path


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "PID",
            "PID-",
            "PID-0",
            "PID-x",
            "PID3",
            "PID.3",
            "PI-3",
            "PIDX-3",
            "3PD-1",
            "PID-3.0",
            "PID-3.",
        ),
        *("PID-3.1.0", "PID-3.1.1.1", "PID-3(0)", "PID-3()", "PID-3(x)", "PID-3[]", "PID-3[ ]", "PID-3[HOSP"),
        *("PID(0)-3", "PID()-3", "PID-3[5=MR,HOSP]", "PID-3[x=MR]", "PID-3[0=MR]", "PID-3(1)[HOSP]"),
        *("PID-3.1 and PID-4", "PID-3\nPID-4", "PID-1000", "PID-3.100"),
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        FieldPath.parse(text)


def test_a_path_is_shown_as_it_was_written() -> None:
    assert str(FieldPath.parse("PID-3[HOSP].1")) == "PID-3[HOSP].1"
