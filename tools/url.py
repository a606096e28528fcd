"""URLs as they may be shown and kept: without what may be a secret."""

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

# What of a query says which document is meant, and never who asks for it. Anything else may be a key or a signature.
KEPT = ("group", "format", "version", "api-version", "v", "registry")


def public(url: str) -> str:
    """The URL without user, password and fragment, and of its query only the parts in KEPT. A path stays as it is.

    Where a `?` is followed by no `name=value`, and the scheme is not of the web, it is a letter of a path or glob.
    """
    if "://" not in url:
        return url
    first, chain, rest = url.partition("::")
    if chain and "://" in rest and "[" not in first:
        # fsspec chains protocols: `simplecache::s3://...`.
        return f"{public(first)}::{public(rest)}"
    try:
        return _public(urlsplit(url))
    except ValueError:
        # A host that is none, or half of a surrogate pair: nothing says where what begins.
        return url.partition("://")[0] + "://"


def _public(parts: SplitResult) -> str:
    of_web = parts.scheme in ("http", "https")
    kept = [(name, public(value)) for name, value in parse_qsl(parts.query) if name in KEPT]
    return urlunsplit(
        parts._replace(
            netloc=parts.netloc.rpartition("@")[2],
            query=urlencode(kept, safe=":/") if of_web or "=" in parts.query else parts.query,
            fragment="" if of_web or "=" in parts.fragment else parts.fragment,
        )
    )
