"""One call of the API: what it is called, what it takes and tells, and who carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.errors import ForefetchError
from engine.telling.masking import Masking
from engine.web.api.problem import Refused, invalid, response_to
from engine.web.masks import is_masked_for
from engine.web.office import Office, Role, User, require, user_of

PREFIX = "/api/v1"
LARGEST = 2**63 - 1
"""A number that the journal can keep."""
_LARGEST_BODY = 1 << 20  # bytes of JSON
_SHOWN = Masking(shown=True)
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """A request with what it is answered from. ``veiled``: the masking of those who may not see patients."""

    request: Request
    office: Office
    veiled: Masking

    @property
    def journal(self) -> str:
        return self.office.journal

    @property
    def masking(self) -> Masking:
        """How patients are told to this user."""
        return self.veiled if is_masked_for(user_of(self.request), self.office) else _SHOWN

    @property
    def number(self) -> int:
        """Of the path. Refused where there can be none."""
        number: int = self.request.path_params["id"]
        if number > LARGEST:
            raise Refused(404, f"there is nothing with the number {number}")
        return number

    def operator(self, verb: str, tasks: tuple[int, ...] = ()) -> User:
        """Who asks; HTTPException 403 unless he is an operator, which is audited."""
        return require(self.request, self.office, Role.OPERATOR, verb, tasks)

    def query(self, model: type[_M]) -> _M:
        """The parameters of the query; those that are given several times are lists. Refused where one of
        them cannot be meant."""
        given: dict[str, str | list[str]] = {}
        for name, value in self.request.query_params.multi_items():
            earlier = given.get(name)
            given[name] = value if earlier is None else [*_listed(earlier), value]
        try:
            return model.model_validate(given)
        except ValidationError as error:
            raise invalid(error, "the query") from error

    async def body(self, largest: int) -> bytes:
        """The body, of so many bytes at most. Refused where it is larger."""
        data = bytearray()
        async for chunk in self.request.stream():
            data += chunk
            if len(data) > largest:
                raise Refused(413, f"the body is larger than {largest} bytes", "send less at a time")
        return bytes(data)

    async def json(self, model: type[_M]) -> _M:
        """A body of JSON; an empty one is ``{}``. Refused where it cannot be meant."""
        data = await self.body(_LARGEST_BODY)
        try:
            return model.model_validate_json(data or b"{}")
        except ValidationError as error:
            raise invalid(error, "the body") from error


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True, slots=True)
class Operation:
    """``path`` begins behind `PREFIX`. ``query`` and ``body`` are what ``act`` reads from its call, and
    ``answer`` is what it returns; or ``media``: it makes the response itself, of this type. ``refusals`` are
    the statuses with which it may refuse beside 400, 401 and 503; ``text_body`` describes a body that is no
    JSON. ``sparse``: what is not there is left out of the answer."""

    method: str
    path: str
    name: str
    summary: str
    act: Callable[[Call], Awaitable[BaseModel | Response]]
    description: str = ""
    answer: type[BaseModel] | None = None
    media: str = "application/json"
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    text_body: str = ""
    refusals: tuple[int, ...] = ()
    sparse: bool = False

    def route(self, office: Office, veiled: Masking) -> Route:
        """How it is reached."""

        async def answered(request: Request) -> Response:
            try:
                told = await self.act(Call(request, office, veiled))
            except (HTTPException, ForefetchError) as error:
                return response_to(error)
            if isinstance(told, Response):
                return told
            text = told.model_dump_json(by_alias=True, exclude_unset=self.sparse)
            return Response(text, media_type=self.media, headers={"Cache-Control": "no-store"})

        return Route(PREFIX + self.path, answered, methods=[self.method], name=f"api_{self.name}")
