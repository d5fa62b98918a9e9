"""A PostgreSQL and its standby, which confirms every commit and takes its place when it falls."""

from __future__ import annotations

from typing import Self

from tests.postgres import PASSWORD, Server

_SETTINGS = {"wal_retrieve_retry_interval": "200ms"}


class Pair:
    """Two servers at two ports that stay. What a commit has been answered for is on both of them."""

    def __init__(self) -> None:
        self.primary = Server(settings=_SETTINGS)
        self._other: Server | None = None

    def __enter__(self) -> Self:
        self.primary.start()
        self._other = self._new_standby(0)
        self.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.execute("SELECT pg_reload_conf()")
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
        ports = sorted((self.primary.port, self.standby.port))
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in ports)
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
        return standby
