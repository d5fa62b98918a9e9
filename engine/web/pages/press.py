"""Templates to pages and to the fragments of pages that change while one looks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from engine import __version__
from engine.waiting import Hold
from engine.web.office import Role, user_of
from engine.web.pages import wording

_DAY = dt.timedelta(days=1)
_PRIVATE = {"Cache-Control": "no-store"}  # what is seen here is no matter for a cache on a disk


class Press:
    """``zone``: in which times are told."""

    def __init__(self, zone: dt.tzinfo) -> None:
        self._zone = zone
        self._templates = Environment(
            loader=PackageLoader("engine.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            when=self.when,
            told=self.told,
            number=wording.number,
            size=wording.size,
            seconds=wording.seconds,
            plural=wording.plural,
        )
        self._templates.globals.update(
            version=__version__,
            status_word=wording.STATUSES.__getitem__,
            answer_word=wording.answer,
            progress_of=wording.progress_of,
        )

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page, as whoever asks may see it."""
        user = user_of(request)
        html = self._templates.get_template(template).render(
            user=user,
            operator=user.role is Role.OPERATOR,
            csrf=request.state.csrf,
            path=request.url.path,
            **values,
        )
        return HTMLResponse(html, status, _PRIVATE)

    def part(self, template: str, macro: str, *values: Any) -> str:
        """What one macro makes."""
        module = self._templates.get_template(template).module
        return str(getattr(module, macro)(*values))

    def told(self, hold: Hold) -> str:
        """What a task waits for, its time in the zone of all others."""
        return hold.told(self._zone)

    def when(self, time: dt.datetime | None) -> Markup:
        """A time element: the clock alone within half a day, else with the date."""
        if time is None:
            return Markup("")
        here = time.astimezone(self._zone)
        near = abs(dt.datetime.now(dt.UTC) - time) < _DAY / 2
        text = f"{here:%H:%M:%S}" if near else f"{here:%Y-%m-%d %H:%M}"
        element = '<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S %Z}">{}</time>'
        return Markup(element).format(time.isoformat(), here, text)
