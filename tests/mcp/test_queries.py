"""pacs_query through the SDK's client over stdio, against the simulated archive and scripted ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.dicom_peers import eventually
from tests.hospital import hospital
from tests.mcp.assistant import ALLOW_ALL, assistant, content, text
from tests.mcp.clinic import clinic
from tests.mcp.questions import PATIENT, query

NEWEST, CHEST_CT, CR, KNEE, OLDEST = (f"2.25.100100{number}" for number in range(1, 6))
GRUEN = ["2.25.1002001", "2.25.1002002"]

ASKED: list[tuple[dict[str, str], list[str]]] = [
    ({"study_instance_uid": CHEST_CT}, [CHEST_CT]),
    ({"patient_id": "FF-1001"}, [NEWEST, CHEST_CT, CR, KNEE, OLDEST]),
    ({"patient_id": " FF-1001 "}, [NEWEST, CHEST_CT, CR, KNEE, OLDEST]),
    ({"accession_number": "A1001-3"}, [CR]),
    ({"patient_name": "Okafor^Ada"}, ["2.25.1003001", "2.25.1003002"]),
    ({"patient_name": "Okaf*"}, ["2.25.1003001", "2.25.1003002"]),
    ({"patient_name": "Grün^Jürgen"}, GRUEN),
    ({"patient_name": "grün^j?rg*"}, GRUEN),
    ({"study_date": "20250602"}, [CHEST_CT]),
    ({"study_date": "2025-06-02"}, [CHEST_CT]),
    ({"study_date": "20240101-20241231"}, [GRUEN[1], CR]),
    ({"study_date": "20261121-"}, ["2.25.1003001", GRUEN[0]]),
    ({"study_date": "-20200101"}, [OLDEST]),
    ({"description": "*Knee right"}, GRUEN),
    ({"description": "MR Knee left"}, [KNEE]),
    ({"patient_id": "FF-1001", "modality": "CT"}, [NEWEST, CHEST_CT, OLDEST]),
    ({"patient_id": "FF-1001", "modality": "cr"}, [CR]),
    ({"patient_id": "FF-1001", "study_date": "2025-06-02", "description": "*knee*"}, []),
    ({"patient_id": "FF-1001", "accession_number": "A1002-1"}, []),
    ({"patient_id": "FF-404"}, []),
]


async def test_each_key_finds_what_it_means_newest_first(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            for keys, studies in ASKED:
                told = await query(client, **keys)
                assert not told.is_error
                found = content(told)
                assert [it["study_instance_uid"] for it in found["studies"]] == studies, keys
                assert (found["count"], found["truncated"], found["left_out"]) == (len(studies), False, 0)
                assert (found["archive"], found["level"], found["series"]) == ("main", "study", [])
        assert await asyncio.to_thread(eventually, lambda: nodes.open_associations == 0)


async def test_a_study_is_told_with_all_that_the_archive_says(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOW_ALL) as client:
            told = await query(client, accession_number="A1001-2")
        assert content(told)["studies"] == [
            {
                "study_instance_uid": CHEST_CT,
                "study_date": "2025-06-02",
                "study_time": "09:30:00",
                "modalities": ["CT"],
                "description": "CT Chest with contrast",
                "accession_number": "A1001-2",
                "series_count": 2,
                "instance_count": 5,
                "patient": {"id": "FF-1001", "name": "Aalto^Mira", "birth_date": "1961-03-14", "sex": "F"},
                "unconfirmed": [],
            }
        ]
        assert text(told).splitlines() == [
            "main has 1 study with accession_number 'A1001-2'",
            "1. 2025-06-02 09:30:00; CT 'CT Chest with contrast'; accession A1001-2; series 2; instances 5; "
            f"patient FF-1001, Aalto^Mira; born 1961-03-14; sex F; study {CHEST_CT}",
        ]


async def test_patient_data_is_masked_everywhere_and_alike_unless_it_is_allowed(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            by_id = await query(client, patient_id="FF-1001")
            by_name = await query(client, patient_name="Aalto*")
            none = await query(client, patient_id="FF-1001", patient_name="Mira*")
        masked = content(by_id)["studies"][0]["patient"]
        assert content(by_name)["studies"][0]["patient"] == masked
        assert content(by_id)["asked"] == {"patient_id": masked["id"]}
        assert len(set(masked.values())) == 4
        assert all(value.startswith("masked-") for value in masked.values())
        assert "main has no studies with patient_id 'masked-" in text(none)
        seen = "".join(text(it) + json.dumps(content(it)) for it in (by_id, by_name, none))
        log = (tmp_path / "mcp.log").read_text()
        assert [value for value in PATIENT if value in seen or value in log] == []


async def test_nothing_is_logged_of_patients_where_their_data_is_shown(tmp_path: Path) -> None:
    with clinic(tmp_path, "main: status=0xC001, comment=Aalto FF-1001, on=find") as nodes:
        async with assistant(nodes.routes, ALLOW_ALL) as client:
            refused = await query(client, patient_id="FF-1001", patient_name="Aalto*")
            assert refused.is_error
            assert "Aalto FF-1001" in text(refused)
            assert (await query(client, patient_id="FF-1001", limit=0)).is_error
            assert not (await query(client, patient_id="FF-1001", patient_name="Aalto*")).is_error
        log = (tmp_path / "mcp.log").read_text()
        assert [value for value in PATIENT if value in log] == []


async def test_series_of_a_study_are_told_by_number(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            told = await query(client, level="series", study_instance_uid=CHEST_CT)
            part = await query(
                client, level="series", study_instance_uid=CHEST_CT, modality="CT", description="Soft*"
            )
            none = await query(client, level="series", study_instance_uid=CHEST_CT, modality="MR")
        assert content(told)["series"] == [
            {
                "series_instance_uid": f"{CHEST_CT}.{number}",
                "number": number,
                "modality": "CT",
                "description": description,
                "instances": instances,
                "unconfirmed": [],
            }
            for number, description, instances in [(1, "Topogram", 2), (2, "Soft tissue 3.0", 3)]
        ]
        assert (content(told)["studies"], content(told)["count"]) == ([], 2)
        assert text(told).splitlines()[2] == (
            f"2. number 2; CT 'Soft tissue 3.0'; instances 3; series {CHEST_CT}.2"
        )
        assert [it["number"] for it in content(part)["series"]] == [2]
        assert text(none) == f"main has no series with study_instance_uid '{CHEST_CT}', modality 'MR'"
        assert not none.is_error


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "give at least one of: study instance UID, patient ID, accession number"),
    ({"modality": "CT"}, "a modality alone asks for most that an archive has; give at least one of"),
    ({"level": "patient", "patient_id": "P"}, "level 'patient' is none; give study or series"),
    ({"level": "series"}, "level series needs study_instance_uid"),
    ({"level": "series", "study_instance_uid": "1.2", "patient_id": "P"}, "leave out patient_id"),
    ({"level": "series", "study_instance_uid": "1.2", "study_date": "20250101"}, "leave out study_date"),
    ({"patient_id": "P", "limit": 0}, "limit 0 is not between 1 and 200"),
    ({"patient_id": "P", "limit": 201}, "limit 201 is not between 1 and 200"),
    ({"patient_id": "P", "limit": "many"}, "valid integer"),
    ({"patient_id": 7}, "valid string"),
    ({"patient_id": "FF*"}, "patient ID has the character *"),
    ({"patient_id": "P\\Q"}, "patient ID has the character \\"),
    ({"patient_id": "P" * 65}, "patient ID has 65 characters; 64 are allowed"),
    ({"patient_id": "masked-0123ab"}, "a masked value is known to no archive"),
    ({"patient_name": "masked-0123ab"}, "ask by study_instance_uid or accession_number"),
    ({"accession_number": "A?"}, "accession number has the character ?"),
    ({"accession_number": "A\n"}, "control character"),
    ({"patient_name": "A*"}, "give 2 letters or digits at least"),
    ({"patient_name": "Aa\\Bb"}, "patient name has a backslash"),
    ({"patient_name": "A" * 65}, "patient name has 65 characters"),
    ({"description": "*"}, "description would match nearly everything"),
    ({"study_date": "yesterday"}, "give YYYYMMDD, YYYY-MM-DD, or a range"),
    ({"study_date": "20260230"}, "study date '20260230' is no date"),
    ({"study_date": "20260102-20260101"}, "ends before it begins"),
    ({"study_instance_uid": "1.2\\1.3"}, "is a list of UIDs"),
    ({"study_instance_uid": "1.2.*"}, "is not a UID"),
    ({"study_instance_uid": "1." + "2" * 63}, "64 are allowed"),
    ({"patient_id": "P", "modality": "C*"}, "modality 'C*' is not"),
    ({"patient_id": "P", "archive": "elsewhere"}, "there is no archive 'elsewhere'; name one of: main"),
]


async def test_what_must_not_be_asked_is_refused_with_the_cure_and_nothing_is_asked(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            for arguments, cure in REFUSED:
                told = await query(client, **arguments)
                assert told.is_error, arguments
                assert cure in text(told), arguments
        assert (nodes.archive.associations, nodes.archive.queries) == (0, ())


async def test_of_several_archives_one_has_to_be_named(tmp_path: Path) -> None:
    with hospital(tmp_path) as nodes:
        routes = tmp_path / "routes.yaml"
        routes.write_text(nodes.text)
        async with assistant(routes, {}) as client:
            unnamed = await query(client, patient_id="FF-1001")
            named = await query(client, patient_id="FF-1001", archive="main")
            down = await query(client, patient_id="FF-1001", archive="dark")
        assert unnamed.is_error
        assert text(unnamed) == "several archives are listed; name one of: main, dark"
        assert content(named)["count"] == 5
        assert down.is_error
        assert "dark (DARK): no TCP connection to 127.0.0.1:" in text(down)
        assert "check host, port and firewall" in text(down)


async def test_the_query_tools_say_that_they_change_nothing(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    for name in ("pacs_echo", "pacs_query", "pacs_study_summary"):
        annotations = tools[name].annotations
        assert annotations is not None
        assert (annotations.read_only_hint, annotations.destructive_hint) == (True, False)
        assert (annotations.idempotent_hint, annotations.open_world_hint) == (True, True)
        assert tools[name].output_schema
    arguments = tools["pacs_query"].input_schema["properties"]
    assert all(argument["description"] for argument in arguments.values())
    assert arguments["level"]["enum"] == ["study", "series"]
    assert (arguments["limit"]["minimum"], arguments["limit"]["maximum"]) == (1, 200)
