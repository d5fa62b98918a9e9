"""Message profiles: a route refuses what its profile does not allow."""

from __future__ import annotations

import pickle
from pathlib import Path

import hl7apy
import pytest

from engine.app import Engine
from engine.errors import ConfigError
from engine.sender import send
from tests.hospital import ALLOWED, field, hospital

ADMISSION = (
    b"MSH|^~\\&|HIS|HOSP|FF|RAD|20261124||ADT^A05^ADT_A05|%s|P|2.5\r"
    b"EVN||20261124\rPID|1||FF-9999^^^FOREST||Aalto^Mira\rPV1|1|I\r%s"
)


def routes(profile: Path) -> str:
    return f"""
routes:
  - {{name: r, messages: ADT^A05, studies: {{priors: {{}}}}, from: main, to: reading, profile: {profile}}}
"""


def profile_that_wants_pv2(path: Path) -> Path:
    """The standard's ADT_A05 with PV2 required, in the form that hl7apy_profile_parser writes."""
    kind, children = hl7apy.load_library("2.5").MESSAGES["ADT_A05"]
    stricter = tuple(
        (name, content, (1, 1) if name == "PV2" else cardinality, what)
        for name, content, cardinality, what in children
    )
    path.write_bytes(pickle.dumps({"ADT_A05": (kind, stricter)}, protocol=2))
    return path


async def test_a_route_refuses_what_its_profile_does_not_allow(tmp_path: Path) -> None:
    profile = profile_that_wants_pv2(tmp_path / "a05")
    messages = [ADMISSION % (b"1", b""), ADMISSION % (b"2", b"PV2||||||||20261201\r")]
    with hospital(tmp_path, routes(profile)) as site:
        async with Engine(site.config, ALLOWED) as engine:
            without, with_pv2 = await send(*engine.address, messages)
    assert (field(without, "MSA-1"), field(without, "ERR-3.1")) == ("AE", "100")
    assert "PV2" in field(without, "ERR-8")
    assert field(with_pv2, "MSA-1") == "AA"


def test_a_profile_that_cannot_be_read_stops_the_start_with_its_name(tmp_path: Path) -> None:
    with (
        hospital(tmp_path, routes(tmp_path / "missing")) as site,
        pytest.raises(ConfigError, match="missing"),
    ):
        Engine(site.config, ALLOWED)
