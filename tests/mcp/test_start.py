"""What `forefetch mcp` refuses at its start, with the cure, and what it needs of the SDK."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.cli.test_cli import run
from tests.mcp.clinic import clinic
from tests.mcp.over_http import TOKEN, serving, url_of
from tests.running import FOREFETCH

ROUTES = Path(__file__).parents[2] / "routes.yaml"
MAKE = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def refused(*options: object, token: str | None = TOKEN) -> str:
    """What it says and ends with."""
    result = run("mcp", "--config", ROUTES, *options, env={"FOREFETCH_MCP_TOKEN": token or ""})
    assert result.exception is not None
    return result.output if result.exit_code == 2 else str(result.exception)


def test_no_token_is_refused_with_how_to_make_one() -> None:
    text = refused("--http", "127.0.0.1:0", token=None)
    assert "set the environment variable FOREFETCH_MCP_TOKEN, or name a file with --token-file" in text
    assert MAKE in text


@pytest.mark.parametrize("token", ["short", "fifteen-letters", " " * 20])
def test_a_short_token_is_refused(token: str) -> None:
    text = refused("--http", "127.0.0.1:0", token=token)
    assert "in the environment variable FOREFETCH_MCP_TOKEN is shorter than 16 characters" in text
    assert MAKE in text


@pytest.mark.parametrize(
    "token", ["with spaces in between", "with\ttabs-in-between", "Schlüssel-der-Radiologie", "=" * 20]
)
def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated(token: str) -> None:
    text = refused("--http", "127.0.0.1:0", token=token)
    assert "other characters than letters, digits" in text
    assert token not in text


def test_a_token_file_has_to_be_there_and_has_to_be_private(tmp_path: Path) -> None:
    file = tmp_path / "token"
    option = ("--http", "127.0.0.1:0", "--token-file", file)
    assert f"{file} cannot be read (No such file or directory)" in refused(*option)
    file.touch(mode=0o600)
    assert f"{file} is empty" in refused(*option)
    file.write_text("short\n")
    assert f"the token in {file} is shorter than 16 characters" in refused(*option)
    file.write_text(TOKEN)
    file.chmod(0o604)
    assert f"everybody on this machine may read or change {file}: chmod o-rw {file}" in refused(*option)


@pytest.mark.parametrize("address", ["0.0.0.0:8765", "192.0.2.1:8765", "[::]:8765", "hospital.example:8765"])
def test_a_token_in_the_clear_is_refused(address: str) -> None:
    text = refused("--http", address)
    assert "would send the token in the clear" in text
    assert "bind 127.0.0.1 (behind a reverse proxy that speaks TLS)" in text
    assert "--tls-certificate and --tls-key" in text


@pytest.mark.parametrize(
    "address", ["8765", ":8765", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    assert f"--http {address}: expected HOST:PORT, such as 127.0.0.1:8765" in refused("--http", address)


def test_every_address_needs_a_name(certificates: Certificates) -> None:
    pair = certificates.pair()
    options = ("--tls-certificate", pair.certificate, "--tls-key", pair.key)
    assert "say with --host-name by which name or address" in refused("--http", "0.0.0.0:0", *options)


def test_a_certificate_needs_its_own_key(certificates: Certificates) -> None:
    pair, other = certificates.pair(), certificates.pair()
    http = ("--http", "127.0.0.1:0", "--tls-certificate")
    assert "both or neither" in refused(*http, pair.certificate)
    assert "both or neither" in refused("--http", "127.0.0.1:0", "--tls-key", pair.key)
    mixed = refused(*http, pair.certificate, "--tls-key", other.key)
    assert f"--tls-certificate {pair.certificate} and --tls-key {other.key} cannot be used" in mixed
    missing = refused(*http, "/no/such/file", "--tls-key", pair.key)
    assert "cannot be used (No such file or directory)" in missing


@pytest.mark.parametrize("option", ["--token-file", "--tls-certificate", "--tls-key", "--host-name"])
def test_options_of_http_are_refused_without_it(option: str) -> None:
    text = refused(option, "something")
    assert option in text
    assert "only with --http" in text


def test_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    with clinic(tmp_path) as site, serving(site.routes) as first:
        address = url_of(first).removeprefix("http://").removesuffix("/mcp")
        second = _forefetch("mcp", "--config", str(site.routes), "--http", address, token=TOKEN)
    assert second.returncode == 2
    last = second.stderr.splitlines()[-1]
    assert last.startswith(f"forefetch: cannot listen on {address}: Address already in use")
    assert last.endswith("stop the program that uses it, or give --http another address or port")
    assert "Traceback" not in second.stderr


def _forefetch(
    *words: str, token: str = "", program: tuple[str, ...] = FOREFETCH
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FOREFETCH_MCP_TOKEN": token}
    return subprocess.run(
        [*program, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


def test_without_the_sdk_one_sentence_says_what_to_install() -> None:
    gone = "import sys; sys.modules['mcp'] = None; from engine.cli import main; main()"
    program = (sys.executable, "-c", gone)
    for options in ((), ("--http", "127.0.0.1:0")):
        result = _forefetch("mcp", "--config", str(ROUTES), *options, token=TOKEN, program=program)
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("forefetch: forefetch mcp needs the MCP SDK: pip install 'forefetch[mcp]'")
    assert _forefetch("check", "--config", str(ROUTES), program=program).returncode == 0


def test_no_other_verb_pays_for_the_sdk() -> None:
    told = "import atexit, sys; atexit.register(lambda: print('mcp' in sys.modules, file=sys.stderr)); "
    program = (sys.executable, "-c", told + "from engine.cli import main; main()")
    for words in (("--help",), ("mcp", "--help"), ("check", "--config", str(ROUTES))):
        result = _forefetch(*words, program=program)
        assert (result.returncode, result.stderr) == (0, "False\n")
