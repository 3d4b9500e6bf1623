"""A client of Airflow's public REST API, with the calls that the command line needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from lgsp.errors import LgspError
from lgsp.window import Window

TIMEOUT_SECONDS = 60
FINISHED = ("success", "failed")


class AirflowRefused(LgspError):
    """Airflow did not answer, or answered with an error; the message has Airflow's text."""


@dataclass
class Airflow:
    """The API of one Airflow, called as one user. Its methods raise AirflowRefused when a call fails."""

    url: str
    user: str
    password: str = field(repr=False)
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        self._session.headers["Accept"] = "application/json"  # without it logs come as plain text

    def health(self) -> dict[str, str]:
        """The state of each component as Airflow reports it; empty while Airflow does not answer."""
        try:
            response = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=TIMEOUT_SECONDS)
            response.raise_for_status()
        except requests.RequestException:
            return {}
        return {name: part["status"] for name, part in response.json().items() if part}

    def dags(self) -> dict[str, bool]:
        """Whether each Dag that Airflow has parsed is paused, by Dag id."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self._call("GET", "dags", params={"limit": 500})["dags"]}

    def import_errors(self) -> dict[str, str]:
        """The stack traces of the Dag files that could not be imported, by file name."""
        errors = self._call("GET", "importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def unpause(self, dag_id: str) -> None:
        """Unpause a Dag."""
        self._call("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def create_pool(self, name: str, slots: int) -> None:
        """Create a pool. An existing pool is not changed: an operator may have set its slots."""
        body = {"name": name, "slots": slots, "description": "created by lgsp"}
        self._call("POST", "pools", json=body, accepted=(409,))

    def trigger(self, dag_id: str, conf: dict[str, Any], note: str) -> str:
        """Trigger a run; returns its id."""
        body = {"logical_date": None, "conf": conf, "note": note}
        return str(self._call("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def get_run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run, as Airflow's API describes it."""
        return self._call("GET", f"dags/{dag_id}/dagRuns/{quote(run_id)}")

    def list_runs(self, dag_id: str, **filters: Any) -> list[dict[str, Any]]:
        """The newest runs of a Dag that match Airflow's filters, newest first, at most 1,000."""
        params = {"limit": 1000, "order_by": "-run_after", **filters}
        runs: list[dict[str, Any]] = self._call("GET", f"dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return runs

    def active_runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The queued and running runs of a Dag."""
        return self.list_runs(dag_id, state=["queued", "running"])

    def error_messages(self, dag_id: str, run_id: str) -> list[str]:
        """The last error in the log of each failed task of a run."""
        run = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        messages = []
        for task in self._call("GET", run, params={"state": ["failed"]})["task_instances"]:
            log = self._call("GET", f"{run}/{task['task_id']}/logs/{task['try_number']}")["content"]
            errors = [line["event"] for line in log if line.get("level") in ("error", "critical")]
            messages.append(errors[-1] if errors else f"{task['task_id']} logged no error")
        return messages

    def start_backfill(
        self, dag_id: str, window: Window, reprocess: str, max_active_runs: int, conf: dict[str, Any]
    ) -> bool:
        """Start an Airflow backfill over the window; False while an earlier backfill of the Dag is not closed.

        ``reprocess`` is Airflow's `reprocess_behavior`, the existing runs to run again: ``none``, ``failed`` or
        ``completed``. ``conf`` has the params of the runs.
        """
        body = {
            "dag_id": dag_id,
            "from_date": window.start.isoformat(),
            "to_date": _last_midnight(window).isoformat(),
            "reprocess_behavior": reprocess,
            "max_active_runs": max_active_runs,
            "dag_run_conf": conf,
        }
        answer = self._call("POST", "backfills", accepted=(409,), json=body)
        return "id" in answer

    def runs_of_days(self, dag_id: str, window: Window) -> list[dict[str, Any]]:
        """All runs, however they were started, whose data interval is one of the window's local days."""
        span = {
            "logical_date_gte": window.start.isoformat(),
            "logical_date_lte": _last_midnight(window).isoformat(),
        }
        return self.list_runs(dag_id, **span)

    def _call(self, verb: str, path: str, *, accepted: tuple[int, ...] = (), **arguments: Any) -> dict[str, Any]:
        for answer in self._answers(verb, path, arguments):
            if answer.status_code == 401:
                self._log_in()
                continue
            if not answer.ok and answer.status_code not in accepted:
                raise AirflowRefused(f"Airflow answered {verb} {path} with {answer.status_code}: {answer.text[:500]}")
            content: dict[str, Any] = answer.json()
            return content
        raise AirflowRefused(
            f"Airflow refuses {verb} {path} for user {self.user}: is the password of this LGSP_HOME the right one?"
        )

    def _answers(self, verb: str, path: str, arguments: dict[str, Any]) -> Iterator[requests.Response]:
        for attempt in range(3):
            try:
                yield self._session.request(verb, f"{self.url}/api/v2/{path}", timeout=TIMEOUT_SECONDS, **arguments)
            except requests.ConnectionError as error:
                if attempt == 2:
                    raise AirflowRefused(
                        f"Airflow does not answer at {self.url}: see whether it runs with `make status`"
                    ) from error
                time.sleep(1)

    def _log_in(self) -> None:
        body = {"username": self.user, "password": self.password}
        answer = self._session.post(f"{self.url}/auth/token", json=body, timeout=TIMEOUT_SECONDS)
        if not answer.ok:
            raise AirflowRefused(f"Airflow gave user {self.user} no token: HTTP {answer.status_code}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _last_midnight(window: Window) -> datetime:
    # Airflow's bounds are inclusive, and it compares them with the start of each data interval.
    return Window.of_days(window.days()[-1], window.days()[-1]).start
