"""Verbs for the users of the operator's page: user add, password, token, list, remove."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load

if TYPE_CHECKING:
    from engine.web.access.accounts import Account

user = typer.Typer(help="Users of the operator's page and its API.", no_args_is_help=True)

_SHORTEST = 10  # characters
_LONGEST = 1000


class RoleWord(StrEnum):
    """As `engine.web.office.Role`, which takes long to import."""

    VIEWER = "viewer"
    OPERATOR = "operator"


Name = Annotated[str, typer.Argument(help="of the user")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="read the password from standard input")]


@user.command()
def add(
    name: Name,
    role: Annotated[RoleWord, typer.Option(help="a viewer looks; an operator acts too")] = RoleWord.VIEWER,
    config: ConfigPath = DEFAULT_CONFIG,
    password_stdin: FromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="for programs, which use a token")
    ] = False,
) -> None:
    """Let somebody log in."""
    from engine.web.access.accounts import Account, alone_with, valid_name, write_accounts
    from engine.web.access.passwords import hash_password
    from engine.web.office import Role

    path, accounts = _accounts(config)
    try:
        valid_name(name)
    except ValueError as error:
        raise typer.BadParameter(f"expected {error}", param_hint="NAME") from error
    _refuse_taken(name, accounts)
    password = "" if no_password else hash_password(_password(password_stdin))
    with alone_with(path):
        _, accounts = _accounts(config)  # as they are now: typing a password takes its time
        _refuse_taken(name, accounts)
        write_accounts(path, {**accounts, name: Account(Role(role.value), password)})
    console().print(f"{name} is added to {path} as {role.value}")


def _refuse_taken(name: str, accounts: dict[str, Account]) -> None:
    if name in accounts:
        raise typer.BadParameter(
            f"there is a user {name}: forefetch user password {name} gives another password",
            param_hint="NAME",
        )


@user.command()
def password(name: Name, config: ConfigPath = DEFAULT_CONFIG, password_stdin: FromStdin = False) -> None:
    """Give a user another password. His sessions end."""
    from engine.web.access.passwords import hash_password

    _account(config, name)
    kept = hash_password(_password(password_stdin))
    _change(config, name, lambda it: replace(it, password=kept))
    console().print(f"{name} has another password")


@user.command()
def token(
    name: Name,
    config: ConfigPath = DEFAULT_CONFIG,
    revoke: Annotated[bool, typer.Option("--revoke", help="all that he has, instead of making one")] = False,
) -> None:
    """Make a token for a program that acts as this user, and print it once."""
    from engine.web.access.passwords import hash_token, new_token

    if revoke:
        before = _change(config, name, lambda it: replace(it, tokens=()))
        console().print(f"{len(before.tokens)} tokens of {name} are revoked")
        return
    made = new_token()
    _change(config, name, lambda it: replace(it, tokens=(*it.tokens, hash_token(made))))
    typer.echo(made)
    typer.echo("to be sent as 'Authorization: Bearer TOKEN'; it is kept nowhere else", err=True)


@user.command("list")
def show(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Who there is."""
    path, accounts = _accounts(config)
    out = console()
    for name, account in accounts.items():
        login = "a password" if account.password else "no password"
        out.print(f"{name}: {account.role.value}, {login}, {len(account.tokens)} tokens")
    if not accounts:
        out.print(f"no user in {path}: forefetch user add NAME --role operator")


@user.command()
def remove(name: Name, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let a user in no more. His sessions end, and his tokens are worth nothing."""
    _change(config, name, lambda _: None)
    console().print(f"{name} is removed")


def _change(config: ConfigPath, name: str, change: Callable[[Account], Account | None]) -> Account:
    """What he was before. ``change``: what he becomes; None: nobody."""
    from engine.web.access.accounts import alone_with, write_accounts

    path, _ = _accounts(config)
    with alone_with(path):
        before = _account(config, name)
        account = change(before)
        _, accounts = _accounts(config)
        others = {it: kept for it, kept in accounts.items() if it != name}
        write_accounts(path, others if account is None else {**accounts, name: account})
    return before


def _account(config: ConfigPath, name: str) -> Account:
    path, accounts = _accounts(config)
    if name not in accounts:
        known = ", ".join(accounts) or "nobody"
        raise typer.BadParameter(f"no user {name} in {path}, where there is {known}", param_hint="NAME")
    return accounts[name]


def _accounts(config: ConfigPath) -> tuple[str, dict[str, Account]]:
    """The file that routes.yaml names, and who is in it; nobody where it does not exist yet."""
    from pathlib import Path

    from engine.web.access.accounts import read_accounts

    web = load(config, try_files=False).web
    if web is None or not web.users:
        raise typer.BadParameter(
            f"{config} names no file of users: add the section 'web: {{users: users.yaml}}'",
            param_hint="--config",
        )
    return web.users, read_accounts(web.users) if Path(web.users).exists() else {}


def _password(from_stdin: bool) -> str:
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    if not _SHORTEST <= len(given) <= _LONGEST:
        raise typer.BadParameter(
            f"a password has {_SHORTEST} to {_LONGEST} characters", param_hint="password"
        )
    return given
