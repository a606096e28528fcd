"""Sending a run's events to a file or a server, by the transports of openlineage-python."""

import os

import requests
from openlineage.client.transport import Transport
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from pydantic import BaseModel

from core.errors import WorkError
from core.store.database import Database
from tools.orchestration.openlineage.events import events


class Sent(BaseModel):
    """How many events of a run went where."""

    run_id: str
    destination: str
    events: int


def send(database: Database, run_id: str, destination: str) -> Sent:
    """Send all events of a run to a server (`http://host:5000`), or append them to a file, one JSON object a line.

    A server is asked at `api/v1/lineage`, with the key in `OPENLINEAGE_API_KEY`, if there is one. Raises RunNotFound;
    WorkError when an event could not be delivered: the run is not touched by that, and its events can be sent again.
    """
    transport = _transport(destination)
    told = events(database, run_id)
    delivered = 0
    try:
        for event in told:
            transport.emit(event)
            delivered += 1
    except (requests.RequestException, RuntimeError, OSError) as error:
        # The file's transport says what went wrong by a RuntimeError.
        words = " ".join(str(error).split()).rstrip(".")
        raise WorkError(
            f"Of {len(told)} events of run {run_id}, {delivered} were delivered to {destination}: {words}.",
            remedy="They can all be sent again with the same command.",
        ) from error
    finally:
        transport.close()
    return Sent(run_id=run_id, destination=destination, events=delivered)


def _transport(destination: str) -> Transport:
    if destination.startswith(("http://", "https://")):
        key = os.environ.get("OPENLINEAGE_API_KEY")
        auth = ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({})
        return HttpTransport(HttpConfig(url=destination, auth=auth))
    return FileTransport(FileConfig(log_file_path=destination, append=True))
