"""Forefetch as tools for assistants: an MCP server (Model Context Protocol) over stdio or streamable HTTP.

``desk`` is what the tools work with, ``server`` puts them together; each other module has the tools of one
kind. What moves anything goes through the journal and the dispatcher, as a message of the feed does. The SDK
is the optional dependency ``mcp``: nothing outside of this package imports it.
"""
