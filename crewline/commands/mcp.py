"""Serving the tools over MCP."""

from __future__ import annotations

from typing import Annotated

import typer

from core.errors import InputError
from crewline.terminal import reported


def mcp(
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve streamable HTTP at /mcp there; otherwise standard input."),
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", help="A folder or URL prefix that the tools may use; the working directory."),
    ] = None,
    agent: Annotated[str, typer.Option(metavar="NAME", help="Who the journal says has asked.")] = "mcp",
    clearance: Annotated[
        str, typer.Option(metavar="LEVEL", help="public, internal, confidential or restricted.")
    ] = "internal",
) -> None:
    """Serve the tools to programs that speak the Model Context Protocol."""
    with reported():
        host, port = _address(http) if http else ("", 0)
        from core.classification import Classification
        from tools.context import ToolContext

        if clearance not in set(Classification):
            raise InputError(f"'{clearance}' is no clearance.", remedy=f"Give one of {', '.join(Classification)}.")
        bounds = {"roots": tuple(root)} if root else {}
        context = ToolContext(agent=agent, clearance=Classification(clearance), **bounds)
        # CrewAI takes seconds to import.
        from crewline.mcp import serve_http, serve_stdio

        if http:
            serve_http(context, host, port)
        else:
            serve_stdio(context)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError(f"'{text}' is no address.", remedy="Give host and port, such as 127.0.0.1:8765.")
    return host, int(port)
