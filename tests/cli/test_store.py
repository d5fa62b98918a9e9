"""`forefetch store`: what is said of an upgrade and of a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine.cli import app
from engine.errors import StoreError
from engine.store import count_tasks
from engine.store.schema import VERSION
from tests.store.released import restore


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of schema 6, which routes.yaml of the present folder names."""
    (tmp_path / "routes.yaml").write_text(
        "engine: {store: old.db}\n"
        "archives: {main: {ae_title: ARCHIVE, host: 10.0.0.5, port: 104}}\n"
        "destinations: {room: {ae_title: ROOM}}\n"
        "routes: [{name: a, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room}]\n"
    )
    monkeypatch.chdir(tmp_path)
    return restore(6, tmp_path / "old.db")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["store", *words], env={"COLUMNS": "300"})


def test_without_a_verb_the_verbs_are_told() -> None:
    done = run()
    assert done.exit_code == 2
    assert "upgrade" in done.output
    assert "copy" in done.output


def test_the_journal_of_the_routes_file_is_upgraded_and_its_copy_named(journal: Path) -> None:
    done = run("upgrade")
    assert done.exit_code == 0, done.output
    assert f"old.db: schema 6 became schema {VERSION}\n" in done.output
    assert "is kept in old.db.schema-6, which can go when all is well\n" in done.output
    again = run("upgrade")
    assert again.exit_code == 0
    assert again.output.endswith(f"old.db has schema {VERSION} already: nothing to do\n")


def test_a_journal_that_is_named_is_upgraded_without_a_copy_where_none_is_wanted(journal: Path) -> None:
    done = run("upgrade", str(journal), "--no-backup")
    assert done.exit_code == 0
    assert "is kept in" not in done.output
    assert not Path(f"{journal}.schema-6").exists()


def test_what_was_copied_and_what_comes_next_is_told(journal: Path) -> None:
    assert run("upgrade", "old.db", "--no-backup").exit_code == 0
    done = run("copy", "old.db", "new.db")
    assert done.exit_code == 0, done.output
    whole = sum(count_tasks(journal).values())
    assert f" messages and {whole} tasks are in new.db, each with its number\n" in done.output
    assert "next: name it as engine.store in routes.yaml" in done.output
    assert sum(count_tasks("new.db").values()) == whole


def test_a_password_is_not_told(journal: Path) -> None:
    nobody = "postgresql+psycopg://me:secret@127.0.0.1:1/forefetch"
    for words in (("upgrade", nobody), ("copy", nobody, "new.db")):
        done = run(*words)
        assert isinstance(done.exception, StoreError)
        assert "postgresql://127.0.0.1:1/forefetch" in str(done.exception)
        assert "secret" not in str(done.exception) + done.output
