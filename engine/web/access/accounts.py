"""The file of users: who there is, what each may do, and by which password or tokens he is known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field

from engine.config.load import checked, read_text
from engine.config.models.base import Section
from engine.config.yamlfile import read
from engine.errors import ForefetchError
from engine.secret import is_public
from engine.web.access.passwords import is_hash
from engine.web.office import Role

LOCAL = "local"
"""Who acts where nobody has to log in."""

_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)
_HEADING = (
    "# Users of the operator's page: forefetch user. Whoever can read this can try to guess passwords.\n"
)


class AccountsUnusable(ForefetchError):
    """The file of users cannot be used. The text has the cure."""


@dataclass(frozen=True, slots=True)
class Account:
    """``password`` is a hash, empty for who cannot log in; so are ``tokens``."""

    role: Role
    password: str = ""
    tokens: tuple[str, ...] = ()


def valid_name(name: str) -> str:
    """ValueError unless a user may have it."""
    if name == LOCAL or not _NAME.fullmatch(name):
        raise ValueError(f"a name of 1 to 64 letters, digits and . _ @ -, and not {LOCAL}")
    return name


class _User(Section):
    role: Role
    password: Annotated[str, Field(repr=False)] = ""
    tokens: tuple[str, ...] = ()


class _File(Section):
    users: dict[Annotated[str, AfterValidator(valid_name)], _User]


def read_accounts(path: str) -> dict[str, Account]:
    """By name. AccountsUnusable where there is no such file, or others may read or change it; ConfigError
    where it is wrong."""
    if not Path(path).exists():
        raise AccountsUnusable(f"there is no file {path}: forefetch user add NAME --role operator makes it")
    if is_public(path):
        raise AccountsUnusable(f"everybody on this machine may read or change {path}: chmod 600 {path}")
    file = checked(read(read_text(path), path), _File)
    for name, user in file.users.items():
        if user.password and not is_hash(user.password):
            raise AccountsUnusable(
                f"{path}: the password of {name} is no hash; forefetch user password {name}"
            )
    return {name: Account(it.role, it.password, it.tokens) for name, it in file.users.items()}


def write_accounts(path: str, accounts: Mapping[str, Account]) -> None:
    """All of it at once, or nothing. AccountsUnusable where it cannot be written."""
    users = {name: _written(account) for name, account in accounts.items()}
    path = os.path.realpath(path)  # a link goes on leading there
    text = _HEADING + yaml.safe_dump({"users": users}, sort_keys=False, allow_unicode=True)
    beside = f"{path}.{os.getpid()}.new"
    try:
        with open(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            _as_before(path, file.fileno())
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        Path(beside).unlink(missing_ok=True)
        raise AccountsUnusable(f"{path} cannot be written ({error.strerror}); check its folder") from error


@contextmanager
def alone_with(path: str) -> Iterator[None]:
    """One at a time changes the file: of two who read it before either has written, one would be undone.
    AccountsUnusable where its folder is not there."""
    if os.name != "posix":
        yield
        return
    import fcntl

    folder = os.path.dirname(os.path.realpath(path))
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise AccountsUnusable(f"{folder} cannot be opened ({error.strerror}); check the folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def _written(account: Account) -> dict[str, object]:
    """What is empty is left out."""
    fields = asdict(account) | {"role": account.role.value, "tokens": list(account.tokens)}
    return {name: value for name, value in fields.items() if value}


def _as_before(path: str, descriptor: int) -> None:
    """Whoever has owned the file goes on owning it: `serve` may be another user than who adds one."""
    with suppress(OSError, AttributeError):
        before = Path(path).stat()
        os.fchown(descriptor, before.st_uid, before.st_gid)


class AccountsFile:
    """The users as they are now."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: tuple[int, ...] = ()
        self._accounts: Mapping[str, Account] = {}
        self._error: ForefetchError | None = None

    def current(self) -> Mapping[str, Account]:
        """Read again where the file has changed. AccountsUnusable or ConfigError as `read_accounts`."""
        seen = _state(self.path)
        if seen != self._seen or not seen:
            self._seen, self._error = seen, None
            try:
                self._accounts = read_accounts(self.path)
            except ForefetchError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return self._accounts

    def check(self) -> None:
        """AccountsUnusable or ConfigError unless somebody can log in."""
        if not self.current():
            raise AccountsUnusable(
                f"there is no user in {self.path}: forefetch user add NAME --role operator, and start again"
            )


def _state(path: str) -> tuple[int, ...]:
    """What is different once a file has changed; nothing where there is none."""
    try:
        it = Path(path).stat()
    except OSError:
        return ()
    return it.st_ino, it.st_mtime_ns, it.st_size, it.st_mode, it.st_ctime_ns
