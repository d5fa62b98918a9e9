"""`forefetch user`: who may log in to the operator's page."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine.cli import app
from engine.errors import ConfigError
from engine.web.access.accounts import AccountsUnusable, alone_with, read_accounts
from engine.web.access.passwords import Cost, hash_password, hash_token, is_hash, matches
from engine.web.office import Role

PASSWORD = "correct horse"


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, which does not exist yet, of a routes.yaml in the present folder."""
    (tmp_path / "routes.yaml").write_text(
        "archives: {main: {ae_title: ARCHIVE, host: 10.0.0.5, port: 104}}\n"
        "destinations: {room: {ae_title: ROOM}}\n"
        "routes: [{name: a, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room}]\n"
        "web: {users: users.yaml}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "engine.web.access.passwords.hash_password", lambda text: hash_password(text, Cost(2, 1, 1))
    )
    return tmp_path / "users.yaml"


def run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["user", *words], input=typed, env={"COLUMNS": "300"})


def test_a_user_is_added_with_a_password_that_only_his_hash_is_kept_of(users: Path) -> None:
    done = run("add", "otto", "--role", "operator", "--password-stdin", typed=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert done.output == "otto is added to users.yaml as operator\n"
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert PASSWORD not in users.read_text()
    otto = read_accounts(str(users))["otto"]
    assert otto.role is Role.OPERATOR
    assert matches(PASSWORD, otto.password)
    assert not matches(PASSWORD + "x", otto.password)


def test_a_password_is_asked_for_twice_and_not_shown(users: Path) -> None:
    done = run("add", "vera", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0
    assert PASSWORD not in done.output
    assert read_accounts(str(users))["vera"].role is Role.VIEWER
    assert run("password", "vera", typed=f"{PASSWORD}\nanother one\n").exit_code != 0


def test_check_says_that_nobody_could_log_in(users: Path) -> None:
    done = CliRunner().invoke(app, ["check"])
    assert isinstance(done.exception, AccountsUnusable)
    assert "forefetch user add NAME --role operator" in str(done.exception)
    run("add", "robot", "--no-password")
    assert CliRunner().invoke(app, ["check"]).exit_code == 0


def test_another_password_replaces_the_first_and_leaves_the_rest(users: Path) -> None:
    run("add", "otto", "--role", "operator", "--password-stdin", typed=f"{PASSWORD}\n")
    run("token", "otto")
    before = read_accounts(str(users))["otto"]
    assert run("password", "otto", "--password-stdin", typed="battery staple\r\n").exit_code == 0
    after = read_accounts(str(users))["otto"]
    assert matches("battery staple", after.password)
    assert (after.role, after.tokens) == (before.role, before.tokens)


def test_a_token_is_printed_once_and_only_its_hash_is_kept(users: Path) -> None:
    run("add", "robot", "--no-password")
    first, second = (run("token", "robot").stdout.strip() for _ in range(2))
    assert first != second
    assert len(first) == 46  # 256 bits
    kept = users.read_text()
    assert first not in kept
    assert read_accounts(str(users))["robot"].tokens == (hash_token(first), hash_token(second))
    assert run("list").output == "robot: viewer, no password, 2 tokens\n"
    assert run("token", "robot", "--revoke").output == "2 tokens of robot are revoked\n"
    assert read_accounts(str(users))["robot"].tokens == ()


def test_whoever_types_a_password_undoes_nothing_of_what_others_change_meanwhile(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("add", "otto", "--no-password").exit_code == 0

    def typing(text: str) -> str:
        monkeypatch.undo()
        monkeypatch.chdir(users.parent)
        assert run("token", "otto").exit_code == 0
        assert run("add", f"meanwhile-{len(read_accounts(str(users)))}", "--no-password").exit_code == 0
        return hash_password(text, Cost(2, 1, 1))

    for words in (("password", "otto"), ("add", "vera")):
        monkeypatch.setattr("engine.web.access.passwords.hash_password", typing)
        assert run(*words, "--password-stdin", typed=f"{PASSWORD}\n").exit_code == 0
    accounts = read_accounts(str(users))
    assert list(accounts) == ["otto", "meanwhile-1", "meanwhile-2", "vera"]
    assert (len(accounts["otto"].tokens), bool(accounts["otto"].password)) == (2, True)


def test_one_at_a_time_changes_the_file(users: Path) -> None:
    ended: list[int] = []
    with alone_with(str(users)):
        adding = threading.Thread(target=lambda: ended.append(run("add", "otto", "--no-password").exit_code))
        adding.start()
        adding.join(0.5)
        assert not ended
        assert not users.exists()
    adding.join()
    assert list(read_accounts(str(users))) == ["otto"]


def test_a_file_that_is_linked_to_stays_so(users: Path) -> None:
    kept = users.parent / "elsewhere.yaml"
    users.symlink_to(kept)
    assert run("add", "robot", "--no-password").exit_code == 0
    assert users.is_symlink()
    assert list(read_accounts(str(kept))) == ["robot"]


def test_who_is_removed_is_there_no_more_and_the_others_are(users: Path) -> None:
    for name in ("otto", "vera"):
        run("add", name, "--no-password")
    assert run("remove", "otto").exit_code == 0
    assert list(read_accounts(str(users))) == ["vera"]
    run("remove", "vera")
    assert run("list").output == "no user in users.yaml: forefetch user add NAME --role operator\n"


@pytest.mark.parametrize(
    ("words", "typed", "cure"),
    [
        (("add", "otto", "--password-stdin"), "short\n", "a password has 10 to 1000 characters"),
        (("add", "otto", "--password-stdin"), "", "a password has 10 to 1000 characters"),
        (("add", "two words", "--no-password"), None, "a name of 1 to 64 letters, digits"),
        (("add", "local", "--no-password"), None, "and not local"),
        (("add", "there", "--no-password"), None, "forefetch user password there"),
        (("add", "otto", "--role", "chief"), None, "'viewer', 'operator'"),
        (("token", "otto"), None, "no user otto in users.yaml, where there is there"),
        (("remove", "otto"), None, "no user otto"),
        (("password", "otto"), None, "no user otto"),
        (("list", "--config", "none.yaml"), None, ""),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_cure(
    users: Path, words: tuple[str, ...], typed: str | None, cure: str
) -> None:
    run("add", "there", "--no-password")
    before = users.read_text()
    done = run(*words, typed=typed)
    assert done.exit_code != 0
    assert cure in done.output
    assert users.read_text() == before


def test_without_a_file_in_the_section_it_says_which_to_add(users: Path) -> None:
    routes = users.parent / "routes.yaml"
    routes.write_text(routes.read_text().replace("users: users.yaml", ""))
    done = run("add", "otto", "--no-password")
    assert done.exit_code == 2
    assert "add the section 'web: {users: users.yaml}'" in done.output


def test_a_file_that_others_may_read_or_that_is_wrong_is_not_used(users: Path) -> None:
    run("add", "otto", "--no-password")
    users.chmod(0o604)
    assert isinstance(run("list").exception, AccountsUnusable)
    users.chmod(0o600)
    users.write_text("users: {otto: {role: viewer, shoe: 42}}\n")
    assert isinstance(run("list").exception, ConfigError)


def test_a_password_costs_what_owasp_asks_for_and_is_the_same_however_its_letters_are_put_together() -> None:
    kept = hash_password("Käsekuchen!")
    assert kept.startswith("scrypt$32768$8$3$")
    assert is_hash(kept)
    assert matches("Ka\u0308sekuchen!", kept)
    assert not matches("Käsekuchen!", "no hash")
