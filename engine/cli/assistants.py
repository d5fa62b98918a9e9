"""The verb that serves assistants: mcp."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, LogFormat, load
from engine.errors import ForefetchError
from engine.logs import Format, log_to_stderr

if TYPE_CHECKING:
    from engine.mcp.serving import Transport


class SdkMissing(ForefetchError):
    """The optional dependency is not installed, or not in a version that we know."""


def mcp(
    config: ConfigPath = DEFAULT_CONFIG,
    http: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="serve streamable HTTP there, at /mcp; port 0: any")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="the token for --http, instead of $FOREFETCH_MCP_TOKEN")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="PEM, with its chain: encrypt --http; needed beyond this machine")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM: the key of --tls-certificate")] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="a further name by which clients reach --http; as often as needed"),
    ] = None,
    log_format: LogFormat = Format.CONSOLE,
) -> None:
    """Offer Forefetch to an assistant as MCP tools, over standard input and output, or by --http."""
    import asyncio
    import os

    log_to_stderr(logging.INFO, log_format)
    try:
        from engine.mcp.desk import Desk
        from engine.mcp.serving import serve
    except ImportError as error:
        sentence = f"forefetch mcp needs the MCP SDK: pip install 'forefetch[mcp]' ({error})"
        raise SdkMissing(sentence) from error
    for option, value in {
        "--token-file": token_file,
        "--tls-certificate": tls_certificate,
        "--tls-key": tls_key,
        "--host-name": host_name,
    }.items():
        if value and not http:
            raise typer.BadParameter("only with --http", param_hint=option)
    transport = _http(http, token_file, tls_certificate, tls_key, host_name or []) if http else _stdio()
    desk = Desk.of(load(config), str(config), os.environ)
    asyncio.run(serve(desk, transport))


def _stdio() -> Transport:
    from engine.mcp.stdio import serve_stdio

    return serve_stdio


def _http(
    address: str, token_file: Path | None, certificate: Path | None, key: Path | None, names: list[str]
) -> Transport:
    from functools import partial

    from engine.mcp.endpoint import Endpoint
    from engine.mcp.http import serve_http
    from engine.mcp.token import Token

    endpoint = Endpoint.of(address, certificate, key, names)
    return partial(serve_http, endpoint=endpoint, token=Token.of(token_file))
