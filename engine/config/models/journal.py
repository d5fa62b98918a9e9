"""Where the journal is kept: a file beside routes.yaml, or a database that engines share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from engine.config.fields import NotQuoted
from engine.config.models.security import beside
from engine.place import EXAMPLE, is_shared, parsed

_URL_MEANT = re.compile(r"(\w[\w+.-]+):/|postgres\w*(\+\w+)?:", re.IGNORECASE)
_DRIVERS = {"postgresql", "postgres", "postgresql+psycopg"}


def _journal(text: object, info: ValidationInfo) -> str:
    """A path, where a relative one starts from the folder of routes.yaml; a URL as it is."""
    if isinstance(text, str) and _URL_MEANT.match(text.strip()):
        return _database(text.strip())
    return beside(text, info)


def _database(text: str) -> str:
    scheme = text.partition(":")[0]
    if not is_shared(text) or scheme.lower() not in _DRIVERS:
        raise NotQuoted(f"the path of a file, or a URL such as {EXAMPLE}", f"'{scheme}:…'")
    try:
        url = parsed(text)
    except ValueError:
        expected = f"a URL such as {EXAMPLE}; in user and password write @ as %40, : as %3A, / as %2F"
        raise NotQuoted(expected, f"'{scheme}://…'") from None
    if "@" in (url.host or ""):
        raise NotQuoted("%40 for each @ in user and password", f"'{scheme}://…'")
    if not url.database:
        raise NotQuoted(f"a URL with the name of the database, such as {EXAMPLE}", f"'{scheme}://…'")
    return text


Journal = Annotated[
    str,
    PlainValidator(_journal),
    WithJsonSchema({"type": "string", "examples": ["forefetch.db", EXAMPLE]}),
]
