"""Listings by C-FIND: wild cards, limits, and archives that ignore what was asked."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

import pytest

from engine.dicom.keys import series_keys, study_keys
from engine.dicom.study import PatientRecord, SeriesRecord, StudyRecord
from engine.errors import AssociationAborted, QueryFailed
from tests.dicom_peers import SUCCESS, Reply, Request, answer, result, scripted_scp
from tests.scu.conftest import Connect

STUDY = study_keys(study_uid="1.2.3")
CANCELED = Reply(0xFE00)


def study(number: int, **more: Any) -> Reply:
    return result(StudyInstanceUID=f"1.2.{number}", **{"PatientID": "P1", **more})


def test_a_listing_has_whose_study_it_is_and_what_the_archive_counts(connect: Connect) -> None:
    told = study(
        3,
        PatientName="Aalto^Mira",
        PatientBirthDate="19610314",
        PatientSex="F",
        StudyDate="20250602",
        StudyTime="0930",
        NumberOfStudyRelatedSeries="2",
        NumberOfStudyRelatedInstances="5",
    )
    with scripted_scp(answer(told, SUCCESS)) as scp:
        found = connect(scp.port).list_studies(STUDY)
        identifier = scp.requests[0].identifier
    patient = PatientRecord("Aalto^Mira", dt.date(1961, 3, 14), "F")
    assert found.records == [
        StudyRecord(
            "1.2.3",
            "P1",
            date=dt.date(2025, 6, 2),
            time=dt.time(9, 30),
            instances=5,
            series_count=2,
            patient=patient,
        )
    ]
    assert identifier is not None
    assert {"PatientName", "PatientBirthDate", "PatientSex", "NumberOfStudyRelatedSeries"} <= {
        element.keyword for element in identifier
    }


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("093015.123", dt.time(9, 30, 15)),
        ("09", dt.time(9)),
        ("250000", None),
        ("9:30", None),
        ("", None),
    ],
)
def test_a_time_that_is_none_is_unknown(connect: Connect, text: str, time: dt.time | None) -> None:
    with scripted_scp(answer(study(3, StudyTime=text), SUCCESS)) as scp:
        (record,) = connect(scp.port).list_studies(STUDY).records
    assert record.time == time


def test_series_are_listed_with_their_number(connect: Connect) -> None:
    told = result(StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1", Modality="CT", SeriesNumber="-1")
    with scripted_scp(answer(told, SUCCESS)) as scp:
        found = connect(scp.port).list_series(series_keys("1.2", modality="CT"))
    assert found.records == [SeriesRecord("1.2", "1.2.1", "CT", number=-1)]


def test_wild_cards_and_ranges_go_out_as_they_are(connect: Connect) -> None:
    keys = study_keys(patient_name="Grü*^J?rgen", date="20250101-", modality="MR", description="*Knee*")
    with scripted_scp(answer(SUCCESS)) as scp:
        connect(scp.port).list_studies(keys)
        identifier = scp.requests[0].identifier
    assert identifier is not None
    assert identifier.SpecificCharacterSet == "ISO_IR 192"
    assert {keyword: str(identifier[keyword].value) for keyword in keys} == {
        "PatientName": "Grü*^J?rgen",
        "StudyDate": "20250101-",
        "ModalitiesInStudy": "MR",
        "StudyDescription": "*Knee*",
    }


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Grün^Jürgen"),
        ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг"),
    ],
)
def test_names_are_read_in_the_archives_character_set(
    connect: Connect, charset: str | list[str], name: str
) -> None:
    told = result(SpecificCharacterSet=charset, StudyInstanceUID="1.2.3", PatientName=name)
    with scripted_scp(answer(told, SUCCESS)) as scp:
        (record,) = connect(scp.port).list_studies(STUDY).records
    assert record.patient is not None
    assert record.patient.name == name


def test_what_does_not_match_is_left_out_and_counted(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    keys = study_keys(patient_name="Aal*", date="20250101-20251231", modality="CT")
    good = {"PatientName": "AALTO^MIRA", "StudyDate": "20250602", "ModalitiesInStudy": ["SR", "CT"]}
    wrong: list[dict[str, Any]] = [
        {"PatientName": "Okafor^Ada"},
        {"PatientName": ""},
        {"StudyDate": "20240602"},
        {"StudyDate": ""},
        {"ModalitiesInStudy": "MR"},
    ]
    replies = [study(number, **{**good, **bad}) for number, bad in enumerate(wrong)]
    with scripted_scp(answer(study(9, **good), *replies, SUCCESS)) as scp:
        found = connect(scp.port).list_studies(keys)
    assert ([record.study_uid for record in found.records], found.left_out) == (["1.2.9"], len(wrong))
    assert "5 of 6 results of a C-FIND ignored" in caplog.text


@pytest.mark.parametrize("told", [{}, {"ModalitiesInStudy": None, "StudyDescription": ""}])
def test_an_optional_key_of_which_the_archive_says_nothing_is_told_and_its_study_kept(
    connect: Connect, told: dict[str, Any]
) -> None:
    keys = study_keys(patient_id="P1", modality="CT", description="*chest*")
    with scripted_scp(answer(study(3, **told), SUCCESS)) as scp:
        (match,) = connect(scp.port).list_studies(keys).matches
    assert set(match.untold) == {"ModalitiesInStudy", "StudyDescription"}


def test_a_series_of_another_study_is_left_out(connect: Connect) -> None:
    own, other = (result(StudyInstanceUID=f"1.{it}", SeriesInstanceUID=f"1.{it}.1") for it in (2, 3))
    with scripted_scp(answer(own, other, SUCCESS)) as scp:
        found = connect(scp.port).list_series(series_keys("1.2"))
    assert ([record.series_uid for record in found.records], found.left_out) == (["1.2.1"], 1)


def until_canceled(request: Request) -> Iterable[Reply]:
    yield from (study(number) for number in range(3))
    assert request.wait_for_cancel()
    yield CANCELED


def test_beyond_the_limit_the_archive_is_told_to_stop(connect: Connect) -> None:
    with scripted_scp(until_canceled) as scp:
        client = connect(scp.port)
        found = client.list_studies(study_keys(patient_id="P1"), limit=2)
        assert ([record.study_uid for record in found.records], found.truncated) == (["1.2.0", "1.2.1"], True)
        assert client.open_associations == 1
        assert len(client.list_studies(study_keys(patient_id="P1"), limit=2).records) == 2
        assert (scp.associations, len(scp.cancels)) == (1, 2)


@pytest.mark.parametrize("limit", [3, 4, None])
def test_as_many_as_the_limit_are_all_there_is(connect: Connect, limit: int | None) -> None:
    with scripted_scp(answer(study(1), study(2), study(3), SUCCESS)) as scp:
        found = connect(scp.port).list_studies(study_keys(patient_id="P1"), limit)
        assert (len(found.records), found.truncated, scp.cancels) == (3, False, [])


def test_what_is_left_out_does_not_count_towards_the_limit(connect: Connect) -> None:
    replies = [study(1), study(2, PatientID="P2"), study(3, PatientID="P2"), SUCCESS]
    with scripted_scp(answer(*replies)) as scp:
        found = connect(scp.port).list_studies(study_keys(patient_id="P1"), limit=1)
    assert (len(found.records), found.truncated, found.left_out) == (1, False, 2)


@pytest.mark.parametrize("last", [[SUCCESS], [Reply(0xC001)], [study(4), CANCELED], []])
def test_however_the_archive_takes_the_cancel_what_came_before_counts(
    connect: Connect, last: list[Reply]
) -> None:
    """The last of these says nothing more: it has the grace to end, and no longer."""

    def script(request: Request) -> Iterable[Reply]:
        yield from (study(1), study(2))
        assert request.wait_for_cancel()
        yield from last
        if not last:
            request.wait_for_end()

    with scripted_scp(script) as scp:
        client = connect(scp.port, grace=0.3)
        found = client.list_studies(study_keys(patient_id="P1"), limit=1)
        assert ([record.study_uid for record in found.records], found.truncated) == (["1.2.1"], True)


def test_a_final_status_that_is_no_success_fails_a_listing(connect: Connect) -> None:
    with scripted_scp(answer(study(1), Reply(0xA700, comment="out of memory"))) as scp:
        client = connect(scp.port)
        with pytest.raises(QueryFailed, match=r"0xA700 \(out of memory\)"):
            client.list_studies(study_keys(patient_id="P1"), limit=5)
        assert client.open_associations == 0


def test_an_archive_that_ends_a_query_as_canceled_by_itself_fails_it(connect: Connect) -> None:
    with scripted_scp(answer(study(1), CANCELED)) as scp, pytest.raises(QueryFailed, match="0xFE00"):
        connect(scp.port).list_studies(study_keys(patient_id="P1"), limit=5)


def test_stop_ends_a_listing_by_cancel(connect: Connect) -> None:
    with scripted_scp(until_canceled) as scp:
        client = connect(scp.port)
        client.stop()
        with pytest.raises(AssociationAborted, match="stopping"):
            client.list_studies(study_keys(patient_id="P1"), limit=1)
        assert scp.requests == []


def test_nothing_of_a_listing_is_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = study(3, PatientID="SECRET-ID", PatientName="SECRET^NAME", PatientBirthDate="19610314")
    with scripted_scp(answer(told, told, SUCCESS)) as scp:
        connect(scp.port).list_studies(study_keys(patient_name="SECRET*"), limit=1)
        connect(scp.port).list_studies(study_keys(patient_name="SECRETLY*"), limit=1)
    assert "2 of 2" in caplog.text
    assert "SECRET" not in caplog.text
    assert "19610314" not in caplog.text
