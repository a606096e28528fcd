"""Values on their way into PostgreSQL, which stores no NUL and no half of a surrogate pair.

Messages quote data, and data holds anything: what cannot be stored is replaced, so that it keeps no event from being
written.
"""

import json
import re
from typing import Any

from psycopg.types.json import Json, Jsonb

_REPLACED = "\ufffd"


def text(value: str) -> str:
    return value.replace("\0", _REPLACED).encode("utf-8", "replace").decode()


def jsonb(value: Any) -> Jsonb:
    """For what is queried. The order of keys is lost."""
    return Jsonb(value, dumps=dumps)


def json_in_order(value: Any) -> Json:
    """For what must come back as it was, its keys in order."""
    return Json(value, dumps=dumps)


def dumps(value: Any) -> str:
    """The value as JSON text that can be stored."""
    written = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    # Each backslash begins an escape: taken one by one, an escaped backslash before "u0000" is not mistaken for a NUL.
    return re.sub(r"\\(u0000|.)", lambda escape: _REPLACED if escape[1] == "u0000" else escape[0], written)
