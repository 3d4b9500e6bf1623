"""Events reach every address of LGSP_WEBHOOKS, signed, at least once, and only for what was really published."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from lgsp import store
from lgsp.cli.main import main
from lgsp.errors import PublicationFailed, SettingError
from lgsp.maintain import retention, webhooks
from lgsp.settings import Settings
from lgsp.snapshots import partitions
from tests.integration.conftest import Installation

SECRET, OTHER = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))


class Receiver(ThreadingHTTPServer):
    """An address that notes what it gets, and answers with the statuses of `answers`, then with 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def events(self) -> list[dict[str, Any]]:
        """The received events, each verified as a receiver does."""
        return [Webhook(SECRET).verify(body, headers) for headers, body in self.received]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        if status == 302:
            self.send_header("location", f"{self.server.url}/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _notifying(installation: Installation, *receivers: Receiver, secrets: tuple[str, ...] = (SECRET,)) -> Installation:
    addresses = json.dumps([{"url": receiver.url, "secrets": list(secrets)} for receiver in receivers])
    changed = {"LGSP_WEBHOOKS": addresses, "LGSP_BASE_URL": "https://data.example.vn/"}
    return Installation(Settings.from_env({**installation.settings.environment, **changed}))


def _make_due(installation: Installation) -> None:
    with store.connect(installation.settings) as connection:
        connection.execute("update ledger.outbox set next_attempt_at = clock_timestamp()")


def test_a_snapshot_is_announced_with_its_tables(checked_copy: Installation, receiver: Receiver) -> None:
    installation = _notifying(checked_copy, receiver)
    installation.publish()
    assert receiver.received == [], "the publication waits for no address"
    assert webhooks.deliver(installation.settings).delivered == 1
    (event,) = receiver.events()
    assert (event["specversion"], event["source"], event["type"]) == (
        "1.0", "https://data.example.vn", "lgsp.snapshot.published")  # fmt: skip
    data = event["data"]
    assert (data["snapshot"], data["previous"]) == ("1-1", None)
    rows = installation.query("select table_name, row_count, content_hash::text as h from ledger.publication_table")
    assert {t["name"]: (t["rows"], t["hash"]) for t in data["tables"]} == {
        r["table_name"]: (r["row_count"], r["h"]) for r in rows
    }
    headers, _ = receiver.received[0]
    assert headers["webhook-id"] == event["id"] and headers["content-type"].startswith("application/cloudevents+json")
    assert webhooks.deliver(installation.settings).delivered == 0, "an accepted event is not sent again"


def test_a_refused_event_is_sent_again_with_its_id(published_copy: Installation, receiver: Receiver) -> None:
    installation = _notifying(published_copy, receiver)
    receiver.answers = [500, 302]
    first = webhooks.ping(installation.settings)
    assert (first.delivered, first.waiting, first.problems) == (0, 1, ["lgsp.ping to 127.0.0.1: HTTP 500"])
    assert webhooks.deliver(installation.settings).waiting == 0, "not before its time"
    for _ in range(2):
        _make_due(installation)
        webhooks.deliver(installation.settings)
    ids = {headers["webhook-id"] for headers, _ in receiver.received}
    assert len(receiver.received) == 3 and len(ids) == 1, "a redirect is not followed"
    assert len({body for _, body in receiver.received}) == 1
    assert installation.query("select state, attempt_count from ledger.outbox") == [
        {"state": "delivered", "attempt_count": 3}
    ]


def test_waits_grow_and_end_after_about_two_days(published_copy: Installation, receiver: Receiver) -> None:
    installation = _notifying(published_copy, receiver)
    receiver.answers = [503] * 20
    webhooks.ping(installation.settings)
    waits = []
    query = "select state, next_attempt_at - last_attempt_at as wait from ledger.outbox"
    while (row := installation.query(query)[0])["state"] == "waiting":
        waits.append(round(row["wait"] / timedelta(minutes=1)))
        _make_due(installation)
        webhooks.deliver(installation.settings)
    assert (waits, row["state"], len(receiver.received)) == ([1, 5, 30, 120, 360, 720, 1440], "failed", 8)


def test_an_address_that_is_gone_gets_nothing_more(published_copy: Installation, receiver: Receiver) -> None:
    other = Receiver()
    threading.Thread(target=other.serve_forever, daemon=True).start()
    installation = _notifying(published_copy, receiver, other)
    receiver.answers = [410]
    done = webhooks.ping(installation.settings)
    other.shutdown()
    other.server_close()
    assert (done.delivered, done.ended, len(other.received)) == (1, 1, 1), "the other address has its own event"
    _make_due(installation)
    assert webhooks.deliver(installation.settings).problems == [] and len(receiver.received) == 1


def test_an_address_that_does_not_answer_is_tried_again(published_copy: Installation, receiver: Receiver) -> None:
    installation = _notifying(published_copy, receiver)
    receiver.shutdown()
    receiver.server_close()
    done = webhooks.ping(installation.settings)
    assert done.waiting == 1 and done.problems == ["lgsp.ping to 127.0.0.1: no answer (ConnectionError)"]


def test_a_receiver_may_change_its_secret_at_any_time(published_copy: Installation, receiver: Receiver) -> None:
    webhooks.ping(_notifying(published_copy, receiver, secrets=(OTHER, SECRET)).settings)
    ((headers, body),) = receiver.received
    assert Webhook(SECRET).verify(body, headers) == Webhook(OTHER).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"ping", b"pong"), headers)


def test_a_publication_that_is_rolled_back_announces_nothing(
    checked_copy: Installation, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = _notifying(checked_copy, receiver)
    with monkeypatch.context() as patch:
        patch.setattr(partitions, "write", _failing)
        with pytest.raises(PublicationFailed):
            installation.publish()
    assert installation.query("select * from ledger.outbox") == []


def _failing(*_: object) -> None:
    raise PublicationFailed("a disk is full")


def test_a_retired_snapshot_is_announced(published_copy: Installation, receiver: Receiver) -> None:
    installation = _notifying(published_copy, receiver)
    shutil.rmtree(installation.settings.shared / "snapshots" / "1")  # the next publication writes all files again
    installation.publish()
    with store.connect(installation.settings) as connection:
        connection.execute("set session_replication_role = replica")  # without it a trigger refuses to alter these rows
        connection.execute("update ledger.publication set published_at = published_at - interval '4 years'")
    assert retention.retire_expired(installation.settings).files == [1]
    webhooks.deliver(installation.settings)
    assert receiver.events()[0]["data"]["previous"] == "1-1"
    assert [(event["type"], event["data"]["snapshot"]) for event in receiver.events()] == [
        ("lgsp.snapshot.published", "1-2"), ("lgsp.snapshot.retired", "1-1")]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://example.vn/hook", "must be a JSON list"),
        ('[{"secrets": ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"]}]', "it lacks 'url'"),
        ('[{"url": "ftp://example.vn", "secrets": []}]', "url must be an address"),
        ('[{"url": "https://u:p@example.vn/", "secrets": []}]', "without a login"),
        ('[{"url": "https://example.vn/", "secrets": []}]', "every address needs a secret"),
        ('[{"url": "https://example.vn/", "secrets": ["hunter2hunter2"]}]', "a secret is whsec_"),
    ],
)
def test_an_invalid_setting_is_explained_without_its_secret(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as error:
        _ = Settings.from_env({"LGSP_WEBHOOKS": text}).webhooks
    assert "hunter2" not in str(error.value) and "u:p" not in str(error.value)


def test_the_commands_send_and_list_events(published_copy: Installation, receiver: Receiver) -> None:
    environment = dict(_notifying(published_copy, receiver).settings.environment)
    receiver.answers = [500]
    sent = CliRunner().invoke(main, ["webhooks", "ping"], env=environment)
    assert sent.exit_code == 1 and "lgsp.ping to 127.0.0.1: HTTP 500" in sent.output
    listed = CliRunner().invoke(main, ["webhooks", "list"], env=environment)
    assert "lgsp.ping to 127.0.0.1: waiting after 1 attempts (HTTP 500), again" in listed.output
    without = CliRunner().invoke(main, ["webhooks", "ping"], env={**environment, "LGSP_WEBHOOKS": ""})
    assert without.exit_code == 1 and "LGSP_WEBHOOKS is not set" in without.output
