"""The contract with the agent: two requests in JSON, to loopback."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from typing import Any

# Handles plain HTTP only: the agent is on loopback, where proxies and redirects have no business.
_OPENER = urllib.request.OpenerDirector()
_OPENER.add_handler(urllib.request.HTTPHandler())


class Refused(Exception):
    """The agent found a mistake in a request; the text is its own, and says what it expected."""


class Unreachable(Exception):
    """The agent did not answer for as long as we were patient."""


class Agent:
    """Asks the agent at `url`, again with the same body when the connection breaks: it knows a repeated step.

    `timeout`, in seconds, is for how long it may take to answer; `patience` for how long it is asked again.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout

    def get(self, path: str, patience: float) -> dict[str, Any]:
        """What is at `path`."""
        return self._ask(path, None, patience)

    def post(self, path: str, body: dict[str, Any], patience: float) -> dict[str, Any]:
        """The answer to `body`."""
        return self._ask(path, json.dumps(body, allow_nan=False).encode(), patience)

    def _ask(self, path: str, data: bytes | None, patience: float) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        started, pause = time.monotonic(), 0.02
        while True:
            try:
                with _OPENER.open(request, timeout=self._timeout) as answer:
                    status, text = answer.status, answer.read().decode(errors="replace").strip()
            except (OSError, http.client.HTTPException) as error:
                problem = f"{request.full_url}: {error}"
            else:
                if status < 300:
                    found: dict[str, Any] = json.loads(text)
                    return found
                problem = f"{request.full_url}: status {status}: {text}"
                if status < 500:
                    raise Refused(problem)
            if time.monotonic() - started + pause > patience:
                raise Unreachable(problem)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
