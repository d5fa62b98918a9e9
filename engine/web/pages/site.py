"""Which address shows which page."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from engine.telling.masking import Masking
from engine.web.office import Office
from engine.web.pages import acting, messages, nodes, overview, routing, tasks, trying
from engine.web.pages.front import Front, Page, endpoint
from engine.web.pages.live import Live
from engine.web.pages.press import Press

_STATIC = Path(__file__).parent.parent / "static"
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
    """The pages, the stream of what changes, and what they load, which nobody has to log in for."""
    press = Press(office.config.gate.zone)
    live = Live(overview.Fragments(office, press).look, office.events)
    front = Front(office, press, live, Masking(shown=False), Masking(shown=True))
    pages = [Route(path, endpoint(front, page), methods=[verb]) for verb, path, page in _PAGES]
    return [*pages, Mount("/static", StaticFiles(directory=_STATIC))]
