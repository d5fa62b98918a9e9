"""A running engine for tests: `forefetch serve` on routes that an assistant is given too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hospital import ALLOWED, unused_port
from tests.running import Running, running


def written(folder: Path, text: str) -> Path:
    """The routes file, with a port that does not change from start to start."""
    path = folder / "routes.yaml"
    path.write_text(text.replace('"127.0.0.1:0"', f'"127.0.0.1:{unused_port()}"'))
    return path


@contextmanager
def engine(routes: Path) -> Iterator[Running]:
    """It listens when this is entered, and may retrieve."""
    with running("serve", "--config", str(routes), environment=ALLOWED) as process:
        assert process.address
        yield process
