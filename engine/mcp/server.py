"""The MCP server: all tools on one desk."""

from __future__ import annotations

from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase

from engine import __version__
from engine.mcp import messages, queries, retrieve, tasks
from engine.mcp.calls import ToolServer
from engine.mcp.desk import Desk

_INSTRUCTIONS = (
    "Forefetch makes a DICOM archive (PACS) send studies to listed destinations by C-MOVE, and explains and "
    "follows HL7-triggered retrieves. pacs_query finds studies, pacs_retrieve moves one. A retrieve that did "
    "not arrive in full is an error, and says why and what to do: do not report it as done. Patient data is "
    "masked unless the operator allows it."
)


def build(desk: Desk) -> ToolServer:
    """A server with every tool, not running yet."""
    # What says that an argument is wrong would repeat all of them, messages among them
    ArgModelBase.model_config["hide_input_in_errors"] = True
    server = ToolServer("forefetch", title="Forefetch", instructions=_INSTRUCTIONS, version=__version__)
    for tools in (retrieve, queries, messages, tasks):
        tools.register(server, desk)
    return server
