"""Tests the three servers on real sockets, with a client that uses only their HTTP interfaces."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import date, datetime, timedelta
from functools import cache
from types import SimpleNamespace

import pytest
import requests

from lgsp_province import World, serving
from lgsp_province.systems import http_server
from lgsp_province.truth.truth import truth_of
from lgsp_province.world.calendar import LOCAL, instant

START, END = date(2026, 6, 1), date(2026, 6, 10)
AS_OF = datetime(2026, 6, 11, tzinfo=LOCAL)
TOKEN = "/auth/realms/digo/protocol/openid-connect/token"


# Defects that this simple client cannot repair: unusual dates, codes, keys and values.
UNREPAIRED = (
    "D07",
    "D09",
    "D11",
    "D12",
    "D14",
    "D20",
    "D21",
    "D23",
    "D25",
    "D26",
    "D28",
    "D37",
    "D41",
    "D42",
    "poison",
)


@cache
def world(is_plain=True):
    chosen = dict.fromkeys(UNREPAIRED, 0.0) if is_plain else "all"
    return World.generate("tiny", 4, START, END, dossiers_count=1_500, documents_count=60, defects_chosen=chosen)


class Client:
    """Calls the three systems, with its own login for each."""

    def __init__(self, connections):
        self.connections = connections
        self.http = requests.Session()
        self.token = self.session = self.vxp = ""

    def url(self, name, path):
        return f"http://{self.connections[name]['host']}:{self.connections[name]['port']}{path}"

    def control(self, name, what, body):
        assert self.http.post(self.url(name, f"/_province/{what}"), json=body).status_code == 200

    def login(self):
        one_stop, portal, documents = (self.connections[n] for n in ("one_stop_shop", "online_services", "documents"))
        form = {
            "grant_type": "client_credentials",
            "client_id": one_stop["login"],
            "client_secret": one_stop["password"],
        }
        self.token = self.http.post(self.url("one_stop_shop", TOKEN), data=form).json()["access_token"]
        body = {"username": portal["login"], "password": portal["password"]}
        self.session = self.http.post(self.url("online_services", "/auth"), json=body).json()["session"]
        body = {
            "username": documents["login"],
            "password": documents["password"],
            "applicationCode": documents["extra"]["application_code"],
            "otp": None,
        }
        answer = self.http.post(self.url("documents", "/v1/auth/login?allow_anonymous=true"), json=body)
        self.vxp = answer.json()["data"]["token"]
        return self

    def one_stop(self, path, **query):
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.get(self.url("one_stop_shop", path), params=query, headers=headers, allow_redirects=False)

    def portal(self, service, **body):
        extra = self.connections["online_services"]["extra"]
        body |= {"session": self.session, "madonvi": extra["madonvi"], "service": service}
        headers = {"dstcode": extra["dstcode"]}
        return self.http.post(self.url("online_services", "/share"), json=body, headers=headers)

    def documents(self, path, **query):
        extra = self.connections["documents"]["extra"]
        headers = {
            "Authorization": f"Bearer {self.vxp}",
            "X-SystemId": extra["system_id"],
            "X-SecretKey": extra["secret_key"],
        }
        return self.http.get(self.url("documents", path), params=query, headers=headers)


@pytest.fixture
def client():
    with serving(world(), as_of=AS_OF) as connections:
        yield Client(connections).login()


def utc(moment):
    return moment.astimezone(LOCAL).astimezone(tz=None).astimezone().strftime("%Y-%m-%dT%H:%M:%S.000%z")


def window(first=START, last=END):
    start = datetime.combine(first, datetime.min.time(), LOCAL)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), LOCAL)
    return {"modified-from": utc(start), "modified-to": utc(end)}


def all_one_stop(client, size=200):
    records, page = [], 0
    while True:
        body = client.one_stop("/pa/dossier/search", **window(), page=page, size=size, spec="slice").json()
        records += body["content"]
        page += 1
        if body["last"]:
            return records


def all_portal(client, first="20260601000000", last="20260611000000"):
    records, page = [], 1
    while True:
        body = client.portal("LayDanhSachHoSo", tungay=first, denngay=last, trang=str(page), sodong="200").json()
        records += body["result"]
        page += 1
        if len(body["result"]) < 200:
            return records, int(body["tongso"])


def test_the_one_stop_shop_refuses_a_wrong_secret_with_401(client):
    form = {"grant_type": "client_credentials", "client_id": "lgsp-demo", "client_secret": "guess"}
    assert client.http.post(client.url("one_stop_shop", TOKEN), data=form).status_code == 401


def test_the_portal_refuses_a_wrong_password_with_an_error_code(client):
    body = {"username": "lgsp-demo", "password": "guess"}
    answer = client.http.post(client.url("online_services", "/auth"), json=body)
    assert answer.status_code == 200 and answer.json()["error_code"] != "0"


def test_the_document_system_refuses_a_wrong_key_with_a_message(client):
    client.connections["documents"]["extra"]["secret_key"] = "guess"
    answer = client.documents("/v1/getAgenciesList")
    assert answer.status_code == 401 and answer.json() == {"message": "licenseInfo:invalid"}


def test_tokens_expire_after_their_lifetime():
    short = dict.fromkeys(("one_stop_shop", "online_services", "documents"), 0.2)
    with serving(world(), as_of=AS_OF, lifetimes=short) as connections:
        client = Client(connections).login()
        assert client.one_stop("/ba/agency").status_code == 200
        time.sleep(0.3)
        assert client.one_stop("/ba/agency").status_code == 401
        assert client.portal("LayDanhMucCoQuan").json()["error_code"] == "401"
        assert client.documents("/v1/getAgenciesList").status_code == 401
        assert client.login().one_stop("/ba/agency").status_code == 200


def test_pages_contain_every_record_in_order_and_counts_agree(client):
    records = all_one_stop(client, size=37)
    assert len(records) == client.one_stop("/pa/dossier/count", **window()).json()["total"]
    keys = [(r["modifiedDate"], r["id"]) for r in records]
    assert keys == sorted(keys)
    portal, total = all_portal(client)
    assert len(portal) == total
    keys = [(r["NgayCapNhat"], r["MaHoSo"]) for r in portal]
    assert keys == sorted(keys)
    assert len(keys) > len(set(keys))  # some records are listed twice


def test_windows_are_half_open_and_add_up(client):
    whole = client.one_stop("/pa/dossier/count", **window()).json()["total"]
    days = [START + timedelta(days=n) for n in range(10)]
    parts = [client.one_stop("/pa/dossier/count", **window(day, day)).json()["total"] for day in days]
    assert sum(parts) == whole


def test_page_sizes_are_capped(client):
    body = client.one_stop("/pa/dossier/search", **window(), page=0, size=9_999).json()
    assert body["size"] == 500 and len(body["content"]) == 500
    assert client.one_stop("/bd/procedure", size=9_999).json()["size"] == 1_000
    body = client.portal("LayDanhSachTTHC", trang="1", sodong="9999").json()
    assert len(body["result"]) == 200 and int(body["tongso"]) > 5_000


def test_one_dossier_can_be_looked_up_in_both_systems(client):
    record = all_one_stop(client)[0]
    assert client.one_stop(f"/pa/dossier/{record['id']}").json() == record
    assert client.one_stop("/pa/dossier/62a0c1f2e4b0a1b2c3d4e5f6").status_code == 404
    for wanted in all_portal(client)[0][:200]:
        assert client.portal("TraCuuHoSo", mahoso=wanted["MaHoSo"]).json()["result"] == wanted
    assert client.portal("TraCuuHoSo", mahoso="nowhere").json()["result"] == ""


def test_a_deleted_dossier_is_only_in_the_list_of_changes():
    deleted = World.generate("tiny", 2, START, END, dossiers_count=6_000, defects_chosen="none")
    with serving(deleted, as_of=datetime(2026, 6, 20, tzinfo=LOCAL)) as connections:
        client = Client(connections).login()
        query = window(START, date(2026, 6, 19))
        records, page, body = [], 0, {}
        while page == 0 or not body["last"]:
            body = client.one_stop("/pa/dossier/search", **query, page=page, size=500).json()
            records += body["content"]
            page += 1
        gone = next(r for r in records if r["deletedDate"])
        assert gone["modifiedDate"] == gone["deletedDate"]
        assert client.one_stop(f"/pa/dossier/{gone['id']}").status_code == 404
        bounds = {f"accepted-{side}": query[f"modified-{side}"] for side in ("from", "to")}
        first = client.one_stop("/pa/dossier/keys", **bounds, page=0, size=1_000).json()
        assert first["numberOfElements"] == 1_000 and gone["id"] not in {k["id"] for k in first["content"]}


def test_a_simple_client_receives_the_dossiers_of_the_truth(client):
    """Dossiers, their number and their events, read by the simplest rules."""
    truth = truth_of(world(), instant(AS_OF))
    table = {row["dossier_id"]: row for row in truth.dossiers.to_pylist()}
    bad = set(truth.quarantined["source_key"].to_pylist()) | set(truth.ignored["source_key"].to_pylist())
    one_stop = {r["id"]: r for r in all_one_stop(client) if r["deletedDate"] is None and r["id"] not in bad}
    portal = {r["MaHoSo"]: r for r in all_portal(client)[0] if r["DaXoa"] == "0" and r["MaHoSo"] not in bad}
    codes = {r["code"] for r in one_stop.values()}
    linked = {row["portal_code"] for row in truth.links.to_pylist()}
    assert codes | (set(portal) - linked) == set(table)
    for record in one_stop.values():
        done = sorted((t for t in record["task"] if t["completedDate"]), key=lambda t: t["completedDate"])
        # no step brings a dossier that was only accepted to the status "in progress"
        is_accepted_only = bool(done) and done[-1]["name"] == "Tiếp nhận hồ sơ"
        assert 1 + len(done) + is_accepted_only == table[record["code"]]["event_count"]
    only_portal = [r for code, r in portal.items() if code not in linked]
    assert only_portal and all(len(r["TienDo"]) == table[r["MaHoSo"]]["event_count"] for r in only_portal)


def test_pages_with_damaged_records_are_complete_json():
    with serving(world(is_plain=False), as_of=AS_OF) as connections:
        client = Client(connections).login()
        body = client.one_stop("/pa/dossier/search", **window(), page=0, size=500).json()
        assert body["numberOfElements"] == len(body["content"]) == 500
        records = []
        for page in range(1, 20):
            answer = client.portal(
                "LayDanhSachHoSo", tungay="20260601000000", denngay="20260611000000", trang=str(page), sodong="200"
            )
            records += answer.json()["result"]
        assert len(records) == int(answer.json()["tongso"])
        assert any(not isinstance(record, dict) for record in records)


def test_linked_records_share_a_code_or_a_receipt(client):
    truth = truth_of(world(), instant(AS_OF))
    one_stop = {r["id"]: r for r in all_one_stop(client)}
    portal = {r["MaHoSo"]: r for r in all_portal(client)[0]}
    rules = set()
    for row in truth.links.to_pylist():
        shop, other = one_stop[row["one_stop_id"]], portal[row["portal_code"]]
        rules.add(row["rule"])
        codes, others = {shop["code"], shop["nationCode"]} - {""}, {other["MaHoSo"], other["MaHoSoKhac"]} - {""}
        if row["rule"] == "receipt":
            assert not codes & others
            assert shop["receiptCode"] == other["SoBienNhan"] and shop["agency"]["code"] == other["MaDonViXuLy"]
            accepted = datetime.fromisoformat(shop["acceptedDate"]).astimezone(LOCAL)
            assert accepted.strftime("%Y%m%d") == other["NgayTiepNhan"][:8]
        else:
            assert codes & others
    assert rules == {"same_code", "other_code", "nation_code", "receipt"}


def day_list(client, kind, first, last):
    days = {"fromDate": f"2026/06/{first:02d}", "toDate": f"2026/06/{last:02d}"}
    return client.documents("/v1/syncReceivedEdocList", messageType=kind, **days).json()


def test_day_lists_contain_every_document_and_status(client):
    listed = day_list(client, "edoc", 1, 10)
    assert listed["count"] == len(listed["data"]) > 20
    assert sum(day_list(client, "edoc", day, day)["count"] for day in range(1, 11)) == listed["count"]
    sent = set()
    for entry in listed["data"]:
        body = client.documents("/v1/getEdoc", docId=entry["docId"]).json()["data"]
        assert body["docId"] == entry["docId"] and "<" in body["edxml"]
        sent.add(body["edocCode"])
    documents = truth_of(world(), instant(AS_OF)).documents.to_pylist()
    assert {f"{row['number']}/{row['notation']}" for row in documents} <= sent
    status_id = day_list(client, "status", 1, 30)["data"][0]["docId"]
    assert "StatusCode" in client.documents("/v1/getEdoc", docId=status_id).json()["data"]["edxml"]
    assert day_list(client, "edoc", 11, 30)["count"] == 0


def test_work_files_are_paged_and_counted(client):
    query = {"fromDate": "2026/06/01", "toDate": "2026/06/10", "pageSize": 7}
    files, page, body = [], 1, {}
    while page == 1 or len(body["data"]) == 7:
        body = client.documents("/v1/workFiles", **query, pageIndex=page).json()
        files += body["data"]
        page += 1
    truth = truth_of(world(), instant(AS_OF))
    public = [f for f in files if f["doMat"] == "Thường"]
    assert len(files) == body["total"] and len(public) == truth.totals["work_files"]
    assert len(public) < len(files)


def test_the_clock_can_be_moved(client):
    before = client.one_stop("/pa/dossier/count", **window()).json()["total"]
    client.control("one_stop_shop", "clock", {"as_of": "2026-06-04T00:00:00+07:00"})
    assert 0 < client.one_stop("/pa/dossier/count", **window()).json()["total"] < before


def test_an_unknown_path_is_404(client):
    assert client.one_stop("/pa/nothing").status_code == 404
    assert client.http.post(client.url("online_services", "/nothing"), json={}).status_code == 404
    assert client.documents("/v1/nothing").status_code == 404
    assert client.portal("KhongCo").json()["error_code"] == "-1"


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        ("429-seconds", 429, "2"),
        ("429-date", 429, "GMT"),
        ("429-bare", 429, ""),
        ("500", 500, ""),
        ("503", 503, ""),
    ],
)
def test_a_planned_refusal_happens_once_at_the_planned_call(client, fault, status, header):
    plan = [{"fault": fault, "path": "/ba/agency", "after": 1, "times": 1, "value": 2}]
    client.control("one_stop_shop", "faults", {"plan": plan})
    answers = [client.one_stop("/ba/agency") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, status, 200]
    assert header in answers[1].headers.get("Retry-After", "")
    assert bool(header) == ("Retry-After" in answers[1].headers)


def test_an_expired_token_needs_one_new_login(client):
    client.control("online_services", "faults", {"plan": [{"fault": "expire-token", "path": "LayDanhSachTTHC"}]})
    assert client.portal("LayDanhSachTTHC", trang="1", sodong="5").json()["error_code"] == "401"
    assert client.portal("LayDanhSachTTHC", trang="1", sodong="5").json()["error_code"] == "401"
    assert client.login().portal("LayDanhSachTTHC", trang="1", sodong="5").json()["error_code"] == "0"


def test_a_truncated_answer_ends_with_an_error(client):
    client.control("documents", "faults", {"plan": [{"fault": "truncate", "path": "getAgenciesList"}]})
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        client.documents("/v1/getAgenciesList")


def test_an_html_page_can_come_with_status_200(client):
    client.control("one_stop_shop", "faults", {"plan": [{"fault": "html-200", "path": "count"}]})
    answer = client.one_stop("/pa/dossier/count", **window())
    assert answer.status_code == 200 and "text/html" in answer.headers["Content-Type"]


def test_a_redirect_points_to_the_other_host(client):
    plan = [{"fault": "redirect", "path": "agency", "value": "http://192.0.2.1/"}]
    client.control("one_stop_shop", "faults", {"plan": plan})
    answer = client.one_stop("/ba/agency")
    assert answer.status_code == 302 and answer.headers["Location"] == "http://192.0.2.1/"


def test_a_slow_answer_pauses_after_each_byte(client, monkeypatch):
    pauses = []
    monkeypatch.setattr(http_server, "time", SimpleNamespace(sleep=pauses.append, time=time.time))
    client.control("one_stop_shop", "faults", {"plan": [{"fault": "slow", "path": "count", "value": 0.02}]})
    answer = client.one_stop("/pa/dossier/count", **window())
    assert answer.json()["total"] > 0
    assert set(pauses) == {0.02} and len(pauses) >= len(answer.content) - 1, "the last pause may still be to come"


def test_rows_shift_between_pages_when_a_record_changes(client):
    before = [r["id"] for r in all_one_stop(client, size=100)]
    client.control("one_stop_shop", "faults", {"plan": [{"fault": "shift-pages", "path": "search"}]})
    drifted = [r["id"] for r in all_one_stop(client, size=100)]
    assert set(drifted) != set(before) or len(drifted) != len(before)
    settled = [r["id"] for r in all_one_stop(client, size=100)]
    assert set(settled) == set(before) and settled != before
    assert len(settled) == client.one_stop("/pa/dossier/count", **window()).json()["total"]


def test_a_count_can_be_wrong(client):
    right = client.one_stop("/pa/dossier/count", **window()).json()["total"]
    client.control("one_stop_shop", "faults", {"plan": [{"fault": "count-off", "path": "count", "value": 3}]})
    assert client.one_stop("/pa/dossier/count", **window()).json()["total"] == right + 3


def test_a_share_of_calls_can_return_the_proxys_error_page():
    flaky = World.generate("tiny", 4, START, END, dossiers_count=50, defects_chosen={"D38": 0.2})
    with serving(flaky, as_of=AS_OF) as connections:
        url = Client(connections).url("documents", "/v1/getAgenciesList")
        kinds = [requests.get(url, timeout=5).headers["Content-Type"] for _ in range(60)]
    assert 4 <= sum("html" in kind for kind in kinds) <= 24


def test_the_log_records_which_calls_were_authorised(client):
    client.one_stop("/ba/agency", size=1)
    client.http.get(client.url("one_stop_shop", "/ba/agency"))
    log = client.http.get(client.url("one_stop_shop", "/_province/log")).json()
    assert [(entry["status"], entry["has_authorization"]) for entry in log[-2:]] == [
        (200, True),
        (401, False),
    ]
    assert log[-1]["path"] == "/ba/agency"


def test_serve_writes_its_ready_file_and_ends_on_sigterm(tmp_path):
    ready = tmp_path / "ready.json"
    options = ["--size", "tiny", "--until", "2026-06-11", "--port-base", "0", "--ready-file", str(ready)]
    command = [sys.executable, "-m", "lgsp_province", "serve", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        announced = json.loads(ready.read_text(encoding="utf-8"))
        assert announced["pid"] == process.pid
        assert Client(announced["connections"]).login().one_stop("/ba/agency").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        port = announced["connections"]["documents"]["port"]
        with contextlib.closing(socket.socket()) as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    finally:
        process.kill()
