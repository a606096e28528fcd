"""Documents over HTTP: bounded in time and size, and never from elsewhere than where they were asked for."""

from typing import NamedTuple

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from core.errors import SourceError
from tools.url import public

_PATIENCE_S = 10.0
_MAX_BYTES = 16 << 20


class Document(NamedTuple):
    """What was answered. `etag` is the server's own word for this version of it, if it has one."""

    content: bytes
    etag: str | None


class NotThere(SourceError):
    """The server says that there is no such document."""


def fetch(url: str) -> Document:
    """The document. Raises SourceError when it is not here whole after 10 s, answered not with 200, or over 16 MB."""
    try:
        # A loop of its own: only there can what waits for a server be given up at any point.
        with start_blocking_portal() as portal:
            return portal.call(_fetched, url)
    except TimeoutError as error:
        raise SourceError(
            public(url),
            f"it cannot be had: it is not here whole after {_PATIENCE_S:g} s.",
            remedy="Try again when the server is quicker, or correct the URL.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        words = str(error).replace(url, public(url)) or type(error).__name__
        raise SourceError(
            public(url), f"it cannot be had: {words}.", remedy="Start the server, or correct the URL."
        ) from error


async def _fetched(url: str) -> Document:
    # A redirect could lead out of what the agent may read. A time limit of httpx is one for each read.
    with anyio.fail_after(_PATIENCE_S):
        async with (
            httpx.AsyncClient(timeout=None, follow_redirects=False) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code == httpx.codes.NOT_FOUND:
                raise NotThere(public(url), "the server has no such document.", remedy="Correct the URL.")
            if response.status_code != httpx.codes.OK:
                raise SourceError(
                    public(url), f"it was answered with status {response.status_code}.", remedy="See the server."
                )
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _MAX_BYTES:
                    raise SourceError(public(url), "it is larger than 16 MB.", remedy="Correct the URL.")
            return Document(bytes(content), response.headers.get("etag"))
