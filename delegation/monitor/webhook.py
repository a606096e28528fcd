"""Webhooks: alerts sent to a URL, signed, and sent again when they do not arrive."""

import hashlib
import hmac
import json
import threading
import time
from urllib.parse import urlsplit

import httpx
import stamina
from pydantic import SecretStr

from core.errors import InputError, WorkError
from core.stop import Stop
from core.store.database import Database
from delegation.monitor.alert import Alert, delivered, undelivered

# How often a delivery is tried, and how long an answer may take, seconds. What did not arrive is tried again later.
ATTEMPTS = 3
PATIENCE_S = 5.0

# Deliveries that may fail in one pass: each takes seconds, and the webhook is likely to be away.
MOST_FAILURES = 3


class Webhook:
    """A place that is told of alerts by POST. Its URL and secret are never shown: the URL itself may be a secret.

    The body is JSON: `change` (`raised` or `cleared`) and `alert`. `X-Crewline-Delivery` is the same whenever the same
    thing is sent again. With a secret, `X-Crewline-Signature` is `sha256=` and the HMAC-SHA256, in hex, of
    `X-Crewline-Timestamp` (seconds since 1970), a dot, and the body.
    """

    def __init__(self, url: str, secret: SecretStr | None = None) -> None:
        """Raises InputError for what is no URL of the web."""
        try:
            # Each takes for a URL what the other does not.
            urlsplit(url)
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise InputError(
                "The webhook is not a URL of the web.", remedy="It looks like https://host/path; it is never shown."
            )
        self._url = parsed
        self._secret = secret
        self.destination = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.host = parsed.host

    def send(self, change: str, alert: Alert) -> None:
        """Deliver it. Raises WorkError if it did not arrive."""
        content = {"change": change, "alert": alert.model_dump(mode="json")}
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        try:
            for attempt in stamina.retry_context(on=_passing, attempts=ATTEMPTS, wait_initial=0.2, wait_jitter=0.2):
                with attempt:
                    self._post(body, f"{alert.alert}-{change}")
        except httpx.HTTPError as error:
            # Its own words would show the URL.
            answered = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
            raise WorkError(
                f"Alert {alert.alert} could not be delivered to the webhook at {self.host}: {answered}.",
                remedy="It is sent again at the monitor's next pass.",
            ) from None

    def _post(self, body: bytes, delivery: str) -> None:
        sent_at = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Crewline-Delivery": delivery,
            "X-Crewline-Timestamp": sent_at,
        }
        if self._secret is not None:
            headers["X-Crewline-Signature"] = signature(self._secret.get_secret_value(), sent_at, body)
        # A redirect would take what is signed, and the URL's secrets, to who knows whom.
        with httpx.Client(timeout=PATIENCE_S, follow_redirects=False) as client:
            # A server that drips gives a byte before each wait is over, and never an end.
            end = threading.Timer(PATIENCE_S, client.close)
            end.daemon = True
            end.start()
            try:
                # What it says beyond its status is of no interest, and may be endless.
                with client.stream("POST", self._url, content=body, headers=headers) as response:
                    if not response.is_success:
                        raise httpx.HTTPStatusError("not accepted", request=response.request, response=response)
            finally:
                end.cancel()


def deliver(database: Database, webhook: Webhook, stop: Stop) -> None:
    """Tell the webhook all that it was not told yet, at least once, until stopped.

    Raises WorkError with the first that did not arrive, after the others were tried.
    """
    failed: list[WorkError] = []
    for change, alert in undelivered(database, webhook.destination):
        if stop.requested or len(failed) == MOST_FAILURES:
            break
        try:
            webhook.send(change, alert)
        except WorkError as error:
            failed.append(error)
            continue
        delivered(database, alert, change, webhook.destination)
    if failed:
        raise failed[0]


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `X-Crewline-Signature` must be; compare with `hmac.compare_digest`."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _passing(error: Exception) -> bool:
    """Whether another try may help: no answer, too many requests, or the server's own trouble."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return isinstance(error, httpx.TransportError)
