"""A PostgreSQL and its standby, which confirms every commit and takes its place when it falls."""

from __future__ import annotations

import time
from typing import Self

from tests.postgres import PASSWORD, Server

_SETTINGS = {"wal_retrieve_retry_interval": "200ms", "synchronous_standby_names": "*"}
_CONFIRMING = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
_SECONDS = 30.0


class Pair:
    """Two servers at two ports that stay. What a commit has been answered for is on both of them."""

    def __init__(self) -> None:
        self.primary = Server(settings=_SETTINGS)
        self._other: Server | None = None

    def __enter__(self) -> Self:
        self.primary.start()
        self._other = self._new_standby(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._other is not None:
            self._other.remove()
        self.primary.remove()

    @property
    def standby(self) -> Server:
        assert self._other is not None
        return self._other

    def url(self, database: str) -> str:
        """Of whichever is the primary, as an operator writes it into routes.yaml."""
        hosts = "&".join(f"host=127.0.0.1:{it.port}" for it in (self.primary, self.standby))
        return f"postgresql+psycopg://postgres:{PASSWORD}@/{database}?{hosts}&target_session_attrs=read-write"

    def fail_over(self) -> None:
        """The primary is killed, and never seen again; at its port a new standby begins."""
        lost, chosen = self.primary, self.standby
        lost.kill9()
        self._other, self.primary = None, chosen
        chosen.execute("SELECT pg_promote()")
        lost.remove()
        self._other = self._new_standby(lost.port)

    def _new_standby(self, port: int) -> Server:
        standby = Server(port=port, primary=self.primary.port, settings=_SETTINGS)
        standby.start()
        limit = time.monotonic() + _SECONDS
        while self.primary.execute(_CONFIRMING) != [(1,)]:
            assert time.monotonic() < limit, "no commit waits for the standby"
            time.sleep(0.02)
        return standby
