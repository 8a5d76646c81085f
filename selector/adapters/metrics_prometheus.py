"""Which values has a PromQL query had since the newest one that is known?"""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from selector.adapters.holdout_source import without_secrets
from selector.domain.metric import Metric
from selector.errors import ProductionError
from selector.ports_production import Batch, SourceSpec, Unusable

MOST_BYTES = 16 << 20
MOST_POINTS = 1_000
"""A first look goes back this many steps; Prometheus itself refuses more than 11,000."""

CHUNK = 1 << 16


class PrometheusProduction:
    """Implements ports_production.ProductionMetrics for one series of a Prometheus server.

    The server gets one deadline for its whole answer, however slowly it drips; redirects are not followed.
    """

    def __init__(self, spec: SourceSpec, metric: Metric) -> None:
        """Connect to nothing yet."""
        self._spec = spec
        self._metric = metric

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield values at whole steps since the newest known one, oldest first.

        Raises:
            ProductionError: no answer in time, an answer that is none, or more than one series.

        """
        step = timedelta(seconds=self._spec.step)
        end = _whole_step(until, self._spec.step)
        earliest = end - step * MOST_POINTS
        start = max(_whole_step(since, self._spec.step) + step, earliest) if since is not None else earliest
        if start > end:
            return
        deadline = time.monotonic() + self._spec.timeout
        values = self._series(self._spec.query, start, end, deadline)
        rows = self._series(self._spec.rows, start, end, deadline) if self._spec.rows else {}
        key = self._spec.key or (self._metric.keys[0] if self._metric.keys else self._metric.name)
        for seconds, value in sorted(values.items()):
            at = datetime.fromtimestamp(seconds, UTC)
            if at.isoformat() in seen:
                continue
            if not math.isfinite(value):
                yield Unusable(at.isoformat(), f"its value is {value}")
                continue
            counted = rows.get(seconds, 0.0)
            counted = counted if math.isfinite(counted) and counted >= 0 else 0.0
            yield Batch(at.isoformat(), at, at, metrics={key: value}, rows=round(counted))

    def _series(self, query: str, start: datetime, end: datetime, deadline: float) -> dict[float, float]:
        asked = {"query": query, "start": start.timestamp(), "end": end.timestamp(), "step": self._spec.step}
        answer = self._asked(f"{self._spec.where.rstrip('/')}/api/v1/query_range", asked, deadline)
        try:
            series = answer["data"]["result"]
            if len(series) > 1:
                raise self._error(f"the query {query!r} returns {len(series)} series", "Aggregate it to one.")
            return {float(at): float(value) for one in series for at, value in one["values"]}
        except (KeyError, TypeError, ValueError) as error:
            raise self._error("its answer is no range of values") from error

    def _asked(self, address: str, asked: dict[str, Any], deadline: float) -> Any:
        if urlsplit(address).scheme not in ("http", "https"):
            raise self._error("its address is neither http:// nor https://")
        request = urllib.request.Request(address, urlencode(asked).encode())  # noqa: S310 - the scheme was looked at
        if self._spec.token:
            request.add_header("Authorization", f"Bearer {self._spec.token}")
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=_left(deadline)) as response:
                return json.loads(_read(response, deadline))
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(2_000).decode("utf-8", "replace")
            raise self._error(f"it answers {error.code}: {' '.join(said.split())[:200] or error.reason}") from error
        except TimeoutError as error:
            raise self._error(f"it does not answer within {self._spec.timeout:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            late = isinstance(getattr(error, "reason", None), TimeoutError)
            said = f"it does not answer within {self._spec.timeout:g} s" if late else f"{error}"
            raise self._error(said) from error

    def _error(self, said: str, advice: str = "") -> ProductionError:
        where = without_secrets(self._spec.where)
        return ProductionError(f"Prometheus at {where} cannot be read: {said}.", advice=advice)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow nothing: a token is for one server only."""

    def redirect_request(self, *_values: Any) -> None:
        """Refuse."""


def _read(response: HTTPResponse, deadline: float) -> bytes:
    """Read the whole answer, within the deadline and of bounded size."""
    parts, size = [], 0
    while chunk := response.read1(CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise ValueError(f"its answer is longer than {MOST_BYTES >> 20} MiB")
        _left(deadline)
    return b"".join(parts)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0.0:
        raise TimeoutError
    return left


def _whole_step(at: datetime, step: float) -> datetime:
    """Return the last whole step, so that the same moments are asked for again and again."""
    return datetime.fromtimestamp(at.timestamp() // step * step, UTC)
