"""The PostgreSQL of the tests itself."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Server
from tests.postgres_folder import GUARDED

_KILLED = """
import os, signal
from tests.postgres import Server

server = Server()
server.start()
print(server.url().replace("+psycopg", ""), server.folder.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def test_what_was_committed_is_there_after_a_kill_of_every_process(server: Server) -> None:
    database = server.new_database()
    server.execute("CREATE TABLE kept (number int)", database=database)
    with server.connect(database) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", [7])
        server.kill9()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.start()
    assert server.execute("SELECT number FROM kept", database=database) == [(7,)]
    assert server.execute("SHOW fsync") == [("on",)]


def test_a_frozen_server_answers_when_it_is_thawed(server: Server) -> None:
    with server.connect() as connection:
        server.freeze()
        connection.pgconn.send_query(b"SELECT 1")
        assert select.select([connection.fileno()], [], [], 0.05)[0] == []
        server.thaw()
        assert connection.pgconn.get_result() is not None
        assert connection.pgconn.get_result() is None


def test_one_user_has_to_tell_a_password(server: Server) -> None:
    server.add_user("open sesame")
    right, wrong = (
        server.url(user=GUARDED, password=it).replace("+psycopg", "") for it in ("open%20sesame", "wrong")
    )
    psycopg.connect(right).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_a_journal_that_was_given_back_is_empty_again(server: Server) -> None:
    name = server.take_journal()
    server.execute("INSERT INTO criteria (digest, text) VALUES ('a', 'b')", database=name)
    server.give_back(name)
    assert server.take_journal() == name
    assert server.execute("SELECT * FROM criteria", database=name) == []
    assert server.execute("SELECT count(*) FROM meta", database=name) == [(1,)]


def test_a_server_ends_with_the_process_that_started_it_also_where_that_was_killed() -> None:
    told = subprocess.run([sys.executable, "-c", _KILLED], capture_output=True, text=True, check=False)
    address, folder = told.stdout.split()
    while Path(folder).exists():
        time.sleep(0.05)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(address)
