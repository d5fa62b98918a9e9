"""pacs_echo through the SDK's client over stdio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, demo_studies
from tests.hospital import hospital
from tests.mcp.assistant import assistant, content, text
from tests.mcp.questions import ask, routes_of


def answers(echoes: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(node["name"], node["kind"], node["answered"]) for node in echoes["nodes"]]


async def test_every_node_is_asked_and_one_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    with hospital(tmp_path) as nodes:
        routes = tmp_path / "routes.yaml"
        routes.write_text(nodes.text)
        async with assistant(routes, {}) as client:
            told = await ask(client, "pacs_echo")
        main, dark, _ = content(told)["nodes"]
        assert told.is_error
        assert answers(content(told)) == [
            ("main", "archive", True),
            ("dark", "archive", False),
            ("reading", "destination", True),
        ]
        assert content(told)["not_asked"] == ["unknown", "down"]
        assert (main["ae_title"], main["host"]) == ("ARCHIVE", "127.0.0.1")
        assert (main["port"], main["tls"]) == (nodes.archive.address[1], False)
        assert main["milliseconds"] >= 0
        assert (main["reason"], main["cure"], dark["milliseconds"]) == (None, None, None)
        assert "Connection refused" in dark["reason"]
        assert dark["cure"].startswith("check host, port and firewall")
        lines = text(told).splitlines()
        assert lines[0] == "2 of 3 nodes answer C-ECHO"
        assert lines[1].startswith(f"✓ main (ARCHIVE at 127.0.0.1:{nodes.archive.address[1]}) [archive], ")
        assert lines[2].startswith("✗ dark (DARK at 127.0.0.1:")
        assert lines[-1] == "not asked, for their host and port are not known: unknown, down"


async def test_one_node_is_asked_by_its_name_or_ae_title(tmp_path: Path) -> None:
    with hospital(tmp_path) as nodes:
        routes = tmp_path / "routes.yaml"
        routes.write_text(nodes.text)
        async with assistant(routes, {}) as client:
            for name in ("reading", "READING", " reading "):
                told = await ask(client, "pacs_echo", node=name)
                assert not told.is_error
                assert answers(content(told)) == [("reading", "destination", True)]
                assert content(told)["not_asked"] == []
            assert (await ask(client, "pacs_echo", node="DARK")).is_error
            unknown = await ask(client, "pacs_echo", node="elsewhere")
            unaddressed = await ask(client, "pacs_echo", node="DOWN")
        assert nodes.archive.associations == 0
    assert unknown.is_error
    assert text(unknown) == (f"there is no node 'elsewhere' in {routes}; name one of: main, dark, reading")
    assert unaddressed.is_error
    assert text(unaddressed) == (
        f"destination down has no host and port in {routes}, so it cannot be asked; enter them there"
    )


async def test_where_a_destination_answers_queries_elsewhere_that_is_asked_too(tmp_path: Path) -> None:
    with (
        SimulatedArchive("ARCHIVE", demo_studies(), {}) as archive,
        SimulatedDestination("SEE") as see,
        SimulatedDestination("SEEQR") as query,
    ):
        more = (
            f"  see: {{ae_title: SEE, host: 127.0.0.1, port: {see.address[1]}, "
            f"query: {{ae_title: SEEQR, port: {query.address[1]}}}}}"
        )
        async with assistant(routes_of(tmp_path, archive.address[1], more), {}) as client:
            told = await ask(client, "pacs_echo", node="see")
        assert answers(content(told)) == [("see", "destination", True), ("see", "query address", True)]
        assert (see.associations, query.associations, archive.associations) == (1, 1, 0)


async def test_whatever_is_no_answer_of_success_is_an_error_and_leaves_no_association(tmp_path: Path) -> None:
    faults = ["status=0x0122", "abort", "silence", "close"]
    struck = [Fault.parse(f"main: {fault}, on=echo") for fault in faults]
    with SimulatedArchive("ARCHIVE", demo_studies(), {}, faults=struck) as archive:
        async with assistant(routes_of(tmp_path, archive.address[1]), {}) as client:
            seen = [await ask(client, "pacs_echo", node="main") for _ in faults]
            assert not (await ask(client, "pacs_echo", node="main")).is_error
        assert [it.is_error for it in seen] == [True] * len(faults)
        assert [content(it)["nodes"][0]["reason"] for it in seen] == [
            "C-ECHO ended with status 0x0122",
            "aborted the association (A-ABORT)",
            "no response to C-ECHO for 2 s",
            "closed the connection while a response was awaited",
        ]
        assert archive._open_associations() == []
