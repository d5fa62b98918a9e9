"""Verbs about messages: explain and send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load, show

if TYPE_CHECKING:
    from engine.config import Config
    from engine.resolve import Finder
    from engine.tls import Tls

MessageFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="a file with one message or more")
]


def explain(
    file: MessageFile,
    config: ConfigPath = DEFAULT_CONFIG,
    find: Annotated[bool, typer.Option("--find", help="ask the archives which studies it would be")] = False,
    expect: Annotated[
        Path | None, typer.Option(exists=True, help="what it should come to; exit 1 if not")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="the file is one block, whatever is in it")] = False,
    json: Annotated[bool, typer.Option("--json", help="print plain JSON")] = False,
) -> None:
    """Show which routes a message matches, field by field, why not the others, and what would be moved.

    Without --find no network is touched. Nothing is moved in any case.
    """
    from engine.cli.expectation import differences, read_expected
    from engine.telling.preview import preview_lines

    settings = load(config, try_files=find)
    told = _explanations(settings, _payloads(file, raw), find)
    out = console()
    if json:
        out.print_json(data=told)
    else:
        for line in (line for one in told for line in preview_lines(one)):
            show(line)
    if expect is not None:
        faults = differences(told, read_expected(expect))
        for fault in faults:
            out.print(f"unexpected: {fault}", style="red")
        if faults:
            raise typer.Exit(1)
        out.print(f"as {expect} expects", style="green")


def _explanations(settings: Config, payloads: Sequence[bytes], find: bool) -> list[dict[str, Any]]:
    from engine.telling.preview import clients_of

    if not find:
        return [_explanation(settings, payload, None) for payload in payloads]
    with clients_of(settings) as clients:
        return [_explanation(settings, payload, clients) for payload in payloads]


def _explanation(settings: Config, payload: bytes, finders: Mapping[str, Finder] | None) -> dict[str, Any]:
    import os

    from engine.config.clock import clock_of
    from engine.errors import MessageError
    from engine.retrieve.gate import switch_on
    from engine.telling.preview import preview, preview_dict, refusal_dict

    now, switched_on = clock_of(settings)(), switch_on(os.environ)
    try:
        return preview_dict(preview(settings, payload, now, switched_on=switched_on, finders=finders))
    except MessageError as error:
        return refusal_dict(error)


def send(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="files with HL7 messages")],
    config: ConfigPath = DEFAULT_CONFIG,
    to: Annotated[
        str | None, typer.Option(help="host:port; by default engine.listen of the routes file")
    ] = None,
    pipelined: Annotated[bool, typer.Option(help="send all before waiting for the first ACK")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="each file is one block, whatever is in it")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds to wait for each ACK")] = 30.0,
    tls: Annotated[bool, typer.Option("--tls", help="encrypt; the options below say more")] = False,
    ca: Annotated[
        Path | None, typer.Option(exists=True, help="PEM: who issued its certificate; default: the system's")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, help="PEM: ours, where it wants one")
    ] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="PEM: the key of --certificate")] = None,
    hostname: Annotated[str, typer.Option(help="name in its certificate, if not the host")] = "",
) -> None:
    """Send messages by MLLP and show the acknowledgments. Exit 1 unless every one is AA or CA."""
    import asyncio

    from engine.cli.rendering import print_ack
    from engine.sender import SendError
    from engine.sender import send as send_messages

    host, port = _address(to, config)
    names = [(file, payload) for file in files for payload in _payloads(file, raw)]
    out = console()
    fault = ""
    try:
        acks = asyncio.run(
            send_messages(
                host,
                port,
                [payload for _, payload in names],
                pipelined=pipelined,
                timeout=timeout,
                tls=_encryption(tls, ca, certificate, key, hostname),
            )
        )
    except SendError as error:
        acks, fault = list(error.acknowledgments), str(error)
    good = [print_ack(out, str(_file_of(ack, names) or number), ack) for number, ack in enumerate(acks, 1)]
    if fault:
        typer.echo(f"forefetch: {fault}", err=True)
        raise typer.Exit(2)
    if not all(good):
        raise typer.Exit(1)


def _encryption(
    wanted: bool, ca: Path | None, certificate: Path | None, key: Path | None, hostname: str
) -> Tls | None:
    from engine.tls import Tls

    if not wanted:
        if ca or certificate or key or hostname:
            raise typer.BadParameter(
                "needed with --ca, --certificate, --key and --hostname", param_hint="--tls"
            )
        return None
    if (certificate is None) is not (key is None):
        raise typer.BadParameter("both or neither", param_hint="--certificate and --key")
    return Tls(str(ca or ""), str(certificate or ""), str(key or ""), hostname=hostname)


def _file_of(ack: bytes, sent: Sequence[tuple[Path, bytes]]) -> Path | None:
    """The file of the message that an acknowledgment is for, by its control ID."""
    from engine.hl7.message import Message, best_header
    from engine.hl7.path import FieldPath

    control_id = Message(ack).first(FieldPath.parse("MSA-2"))
    files = (file for file, payload in sent if best_header(payload).control_id == control_id)
    return next(files, None)


def _address(to: str | None, config: Path) -> tuple[str, int]:
    if to is None:
        engine = load(config, try_files=False).engine
        return engine.host, engine.port
    host, colon, port = to.rpartition(":")
    if not colon or not port.isdigit():
        raise typer.BadParameter("host:port, such as 127.0.0.1:2575", param_hint="--to")
    return host, int(port)


def _payloads(file: Path, raw: bool) -> Sequence[bytes]:
    from engine.hl7.files import messages_of

    data = file.read_bytes()
    return [data] if raw else messages_of(data) or [data]
