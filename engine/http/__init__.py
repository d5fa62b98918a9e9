"""HTTP by uvicorn, in the event loop of whoever serves it: the MCP server and the operator's page."""

from engine.http.requests import Requests
from engine.http.server import http_server, listen

__all__ = ["Requests", "http_server", "listen"]
