"""URLs as they may be shown and kept: without user and password."""

from urllib.parse import urlsplit, urlunsplit


def without_user(url: str) -> str:
    """The URL without what stands before the `@` of its host."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
