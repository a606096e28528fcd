"""Documents over HTTP: bounded in time and size, and never from elsewhere than where they were asked for."""

from typing import NamedTuple

import httpx

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
    """The document. Raises SourceError when the server is silent for 10 s, answers not 200, or with over 16 MB."""
    try:
        # A redirect could lead out of what the agent may read.
        with httpx.stream("GET", url, timeout=_PATIENCE_S, follow_redirects=False) as response:
            if response.status_code == httpx.codes.NOT_FOUND:
                raise NotThere(public(url), "the server has no such document.", remedy="Correct the URL.")
            if response.status_code != httpx.codes.OK:
                raise SourceError(
                    public(url), f"it was answered with status {response.status_code}.", remedy="See the server."
                )
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _MAX_BYTES:
                    raise SourceError(public(url), "it is larger than 16 MB.", remedy="Correct the URL.")
            return Document(bytes(content), response.headers.get("etag"))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        words = str(error).replace(url, public(url)) or type(error).__name__
        raise SourceError(
            public(url), f"it cannot be had: {words}.", remedy="Start the server, or correct the URL."
        ) from error
