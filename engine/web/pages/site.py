"""Which address shows which page."""

from __future__ import annotations

from functools import partial

from starlette.routing import BaseRoute, Route

from engine.telling.masking import Masking
from engine.web.office import Office
from engine.web.pages import acting, messages, nodes, overview, routing, tasks, trying
from engine.web.pages.front import Front, Page, endpoint
from engine.web.pages.live import Live
from engine.web.pages.press import Press

_PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", overview.show),
    ("GET", "/live", overview.listen),
    ("GET", "/messages", messages.show),
    ("GET", "/messages/{id}", messages.show_one),
    ("GET", "/tasks", tasks.show),
    ("GET", "/tasks/confirm", acting.confirm),
    ("POST", "/tasks/act", acting.act),
    ("GET", "/tasks/{id}", tasks.show_one),
    ("GET", "/routes", routing.show),
    ("GET", "/routes/try", trying.show),
    ("POST", "/routes/try", trying.explain),
    ("GET", "/nodes", nodes.show),
    ("POST", "/nodes/echo", nodes.ask),
)


def routes(office: Office) -> list[BaseRoute]:
    """The pages, and the stream of what changes. /static/ is served beside them."""
    press = Press(office.config.gate.zone)
    masked = Masking(shown=False)
    look = overview.Fragments(office, press, masked).look
    live = Live(look, office.events, instead=partial(overview.instead, press))
    front = Front(office, press, live, masked, Masking(shown=True))
    return [Route(path, endpoint(front, page), methods=[verb]) for verb, path, page in _PAGES]
