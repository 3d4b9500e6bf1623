"""Airflow over its public REST API: the few calls the command line needs."""

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

SECONDS = 60
FINISHED = ("success", "failed")


class AirflowRefused(LgspError):
    """Airflow answered a call with an error; the message has its words."""


@dataclass
class Airflow:
    """One Airflow, as one user."""

    url: str
    user: str
    password: str = field(repr=False)
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        self._session.headers["Accept"] = "application/json"  # logs come as plain lines otherwise

    def health(self) -> dict[str, str]:
        """The state of each component as Airflow reports it; empty while nothing answers."""
        try:
            told = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=SECONDS)
            told.raise_for_status()
        except requests.RequestException:
            return {}
        return {name: part["status"] for name, part in told.json().items() if part}

    def dags(self) -> dict[str, bool]:
        """The ids of the Dags that Airflow has read, and whether each is paused."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self._call("GET", "dags", params={"limit": 500})["dags"]}

    def import_errors(self) -> dict[str, str]:
        """The Dag files that could not be imported, and why."""
        errors = self._call("GET", "importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def unpause(self, dag_id: str) -> None:
        """Let a Dag run."""
        self._call("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def create_pool(self, name: str, slots: int) -> None:
        """Create a pool unless it is there; an operator may have changed its slots."""
        body = {"name": name, "slots": slots, "description": "made by lgsp"}
        self._call("POST", "pools", json=body, accepted=(409,))

    def trigger(self, dag_id: str, conf: dict[str, Any], note: str) -> str:
        """Start a run now; its id."""
        body = {"logical_date": None, "conf": conf, "note": note}
        return str(self._call("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run."""
        return self._call("GET", f"dags/{dag_id}/dagRuns/{quote(run_id)}")

    def runs(self, dag_id: str, **filters: Any) -> list[dict[str, Any]]:
        """The runs of a Dag that meet Airflow's filters, newest first."""
        params = {"limit": 1000, "order_by": "-run_after", **filters}
        found: list[dict[str, Any]] = self._call("GET", f"dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return found

    def running(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a Dag that wait or run."""
        return self.runs(dag_id, state=["queued", "running"])

    def last_words(self, dag_id: str, run_id: str) -> list[str]:
        """What the log of each failed task of a run said last as an error."""
        run = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        words = []
        for task in self._call("GET", run, params={"state": ["failed"]})["task_instances"]:
            log = self._call("GET", f"{run}/{task['task_id']}/logs/{task['try_number']}")["content"]
            errors = [line["event"] for line in log if line.get("level") in ("error", "critical")]
            words.append(errors[-1] if errors else f"{task['task_id']} said nothing")
        return words

    def start_backfill(self, dag_id: str, window: Window, reprocess: str, max_active_runs: int) -> bool:
        """Start Airflow's own backfill over the window; False while an earlier one is not closed.

        ``reprocess`` says which days that ran before are run again: ``none``, ``failed`` or ``completed``.
        """
        body = {
            "dag_id": dag_id,
            "from_date": window.start.isoformat(),
            "to_date": _last_midnight(window).isoformat(),
            "reprocess_behavior": reprocess,
            "max_active_runs": max_active_runs,
        }
        answer = self._call("POST", "backfills", accepted=(409,), json=body)
        return "id" in answer

    def runs_of_days(self, dag_id: str, window: Window) -> list[dict[str, Any]]:
        """The runs, whoever started them, whose interval is one of the window's local days."""
        span = {
            "logical_date_gte": window.start.isoformat(),
            "logical_date_lte": _last_midnight(window).isoformat(),
        }
        return self.runs(dag_id, **span)

    def _call(self, verb: str, path: str, *, accepted: tuple[int, ...] = (), **arguments: Any) -> dict[str, Any]:
        for answer in self._answers(verb, path, arguments):
            if answer.status_code == 401:
                self._log_in()
                continue
            if not answer.ok and answer.status_code not in accepted:
                raise AirflowRefused(f"Airflow: {verb} {path} gave {answer.status_code}: {answer.text[:500]}")
            told: dict[str, Any] = answer.json()
            return told
        raise AirflowRefused(f"Airflow: {self.user} may not {verb} {path}; is its password the one of this home?")

    def _answers(self, verb: str, path: str, arguments: dict[str, Any]) -> Iterator[requests.Response]:
        for attempt in range(3):
            try:
                yield self._session.request(verb, f"{self.url}/api/v2/{path}", timeout=SECONDS, **arguments)
            except requests.ConnectionError as error:
                if attempt == 2:
                    raise AirflowRefused(f"Airflow does not answer at {self.url}: is the stack up?") from error
                time.sleep(1)

    def _log_in(self) -> None:
        body = {"username": self.user, "password": self.password}
        answer = self._session.post(f"{self.url}/auth/token", json=body, timeout=SECONDS)
        if not answer.ok:
            raise AirflowRefused(f"Airflow: no token for {self.user}: {answer.status_code}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _last_midnight(window: Window) -> datetime:
    # Airflow's bounds are inclusive and compared with the beginning of each interval.
    return Window.of_days(window.days()[-1], window.days()[-1]).start
