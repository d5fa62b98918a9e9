"""``python -m tests.conformance HOST PORT``: the cases that need no knowledge of a receiver's routes.

Exit status 1 where a case that the standard asks for (``must``) fails; with ``--strict``, any case.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.conformance.answer import Deviation
from tests.conformance.case import Case, Level, Receiver, tables
from tests.conformance.notation import GOOD, SENT_TIME
from tests.conformance.runner import Runner


def main(arguments: list[str] | None = None) -> int:
    """Print one line a case, and why it fails."""
    asked = _parser().parse_args(arguments)
    good = _template(asked.message.read_bytes()) if asked.message else GOOD
    runner = Runner((asked.host, asked.port), good, asked.timeout)
    failed = {Level.MUST: 0, Level.SHOULD: 0}
    for table in tables():
        chosen = [case for case in table.cases if asked.only in f"{table.name}: {case.name}"]
        for case in chosen if table.receiver is Receiver.ANY else []:
            fault = _fault(runner, case)
            failed[case.level] += bool(fault)
            print(f"{'FAIL' if fault else 'pass'}  {case.level:6}  {table.name}: {case.name}", flush=True)
            if fault:
                print(f"      {case.clause}. {case.why}\n      {fault}".replace("\nafter", "\n      after"))
    print(f"{failed[Level.MUST]} of what the standard asks failed, {failed[Level.SHOULD]} of what is careful")
    return int(bool(failed[Level.MUST] or (asked.strict and failed[Level.SHOULD])))


def _fault(runner: Runner, case: Case) -> str:
    try:
        runner.run(case)
    except Deviation as exc:
        return str(exc)
    except OSError as exc:
        return f"no connection: {exc}"
    return ""


def _template(message: bytes) -> str:
    """A message of the receiver's own world as the good one: it gets the suite's MSH-7 and MSH-10."""
    text = message.decode("latin-1").replace("\r\n", "\r").replace("\n", "\r").strip("\x0b\x1c\r")
    header, _, rest = text.partition("\r")
    fields = header.split(header[3:4] or "|")
    if not header.startswith("MSH") or len(fields) < 12:
        raise SystemExit("the message does not begin with an MSH that has MSH-10 and MSH-12")
    fields[6], fields[9] = SENT_TIME, "${ID}"
    lines = [header[3].join(fields), *rest.split("\r")]
    whole = "".join(f"{line}\r" for line in lines if line)
    return "".join(c if " " <= c <= "~" else f"<x{ord(c):02X}>" for c in whole)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--message", type=Path, help="a file with a message that the receiver accepts")
    parser.add_argument("--only", default="", help="cases with this text in table or name")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for each answer")
    parser.add_argument("--strict", action="store_true", help="fail for cases that are only careful, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
