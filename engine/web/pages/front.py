"""What every page is made with, and how its errors look."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import StoreError
from engine.telling.masking import Masking
from engine.web.masks import is_masked_for
from engine.web.office import Office, user_of
from engine.web.pages.live import Live
from engine.web.pages.press import Press

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Front:
    """One for an engine. ``masked`` hides patients, the same way for everybody from whom they are hidden."""

    office: Office
    press: Press
    live: Live
    masked: Masking
    plain: Masking

    def masking(self, request: Request) -> Masking:
        """How patients are shown to whoever asks."""
        return self.masked if is_masked_for(user_of(request), self.office) else self.plain


Page = Callable[[Front, Request], Awaitable[Response]]


def endpoint(front: Front, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """For a route: what goes wrong is told on a page, with the cure."""

    async def answer(request: Request) -> Response:
        try:
            return await page(front, request)
        except HTTPException as error:
            return _fault(front, request, error.status_code, error.detail)
        except StoreError as error:
            return _fault(front, request, 503, str(error))
        except Exception:  # noqa: BLE001  such as a row of the journal that nobody can read
            _log.exception("a page could not be made")
            return _fault(front, request, 500, "a fault of Forefetch itself; its log says where")

    return answer


def _fault(front: Front, request: Request, status: int, text: str) -> Response:
    return front.press.page(request, "fault.html", status=status, code=status, text=text)
