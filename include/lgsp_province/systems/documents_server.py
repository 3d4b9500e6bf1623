"""Simulates the document system (VXP REST): day lists, single edXML messages, agencies and work files."""

from bisect import bisect_left, bisect_right
from typing import Any

from lgsp_province.defects import hostile_edxml
from lgsp_province.systems import documents_edxml, undelivered
from lgsp_province.systems.clock import Clock, Tokens
from lgsp_province.systems.http_server import Request, Response, System
from lgsp_province.world import agencies, wording
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, day_date
from lgsp_province.world.document_data import Document, DocumentData, Message
from lgsp_province.world.lifecycles import NEVER
from lgsp_province.world.work_files import WorkFile

USERNAME, PASSWORD = "lgsp-demo", "not-a-secret"
APPLICATION, SYSTEM_ID, SECRET_KEY = "QOFFICE-DEMO", "H47.DEMO.001", "not-a-secret-key"
TOKEN_LIFETIME = 1800.0
LARGEST_PAGE = 200

_SECRECY, _ORDINARY = ("Mật", "TỐI MẬT", "Tuyệt mật", "mat", "2"), ("Thường",)
_LEVELS = {agencies.PROVINCE: "TINH", agencies.DISTRICT: "HUYEN", agencies.COMMUNE: "XA"}


def _unauthorised(message: str) -> Response:
    return Response.json({"message": message}, 401)


class Documents(System):
    """Responds like the gateway of the national document exchange axis."""

    name = "documents"

    def __init__(
        self,
        clock: Clock,
        document_data: DocumentData,
        build: int,
        html_rate: float = 0.0,
        token_lifetime: float = TOKEN_LIFETIME,
    ) -> None:
        super().__init__(clock, html_rate)
        self._tokens = Tokens("vxp", token_lifetime)
        self._data = document_data
        self._build = build % 3
        self._times = [message.created_at for message in document_data.messages]
        self._by_id: dict[str, Message] = {}
        for message in document_data.messages:
            self._by_id.setdefault(message.doc_id, message)
        self._files: tuple[int, list[tuple[int, WorkFile]]] | None = None

    def target(self, request: Request) -> str:
        return f"{request.path} {request.query.get('docId', '')}".rstrip()

    def is_record_call(self, request: Request) -> bool:
        return request.path == "/v1/getEdoc"

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def unauthorised(self) -> Response:
        return _unauthorised("token:expired")

    def answer(self, request: Request) -> Response:
        if (request.method, request.path) == ("POST", "/v1/auth/login"):
            return self._login(request)
        routes = {
            "/v1/syncReceivedEdocList": self._day_list,
            "/v1/getEdoc": self._document_message,
            "/v1/getAgenciesList": self._agencies,
            "/v1/workFiles": self._work_files,
        }
        route = routes.get(request.path)
        if route is None or request.method != "GET":
            return Response.json({"message": "not found"}, 404)
        headers = request.headers
        if (headers.get("X-SystemId"), headers.get("X-SecretKey")) != (SYSTEM_ID, SECRET_KEY):
            return _unauthorised("licenseInfo:invalid")
        if not self._tokens.is_valid_bearer(headers.get("Authorization")):
            return self.unauthorised()
        return route(request)

    def _login(self, request: Request) -> Response:
        body = request.json()
        credentials = (body.get("username"), body.get("password"), body.get("applicationCode"))
        if credentials != (USERNAME, PASSWORD, APPLICATION):
            return Response.json({"code": "401", "message": "Sai thông tin đăng nhập", "data": None}, 401)
        data = {
            "id": "1",
            "username": USERNAME,
            "name": "Tài khoản kết nối thử",
            "token": self._tokens.issue(),
        }
        return Response.json({"code": "200", "message": "", "data": data})

    def _entry(self, message: Message) -> dict[str, Any]:
        document, status = self._data.documents[message.document], message.status
        sender, recipients = document.issuer, document.recipients
        if status is not None:
            sender, recipients = status.recipient, (document.issuer,)
        at = wording.slashed(message.created_at)
        codes = [agencies.load()[index].code for index in recipients]
        return {
            "serviceType": "eDoc",
            "createdTime": at,
            "updatedTime": at,
            "messageType": "edoc" if status is None else "status",
            "docId": message.doc_id,
            "from": agencies.load()[sender].code,
            "to": "#".join(codes),
            "status": "initial",
            "statusDesc": "Chưa lấy về",
        }

    def _day_list(self, request: Request) -> Response:
        start, end = _days(request)
        end = min(end, self.clock.now() + 1)
        wants_status = {"edoc": False, "status": True}[request.query["messageType"]]
        first, last = bisect_left(self._times, start), bisect_left(self._times, end)
        visible = (m for m in self._data.messages[first:last] if m.doc_id not in self.hidden)
        data = [self._entry(m) for m in visible if (m.status is not None) == wants_status]
        return Response.json({"success": True, "message": "", "count": _total(request, len(data)), "data": data})

    def _document_message(self, request: Request) -> Response:
        message = self._by_id.get(request.query["docId"])
        if message is None or message.created_at > self.clock.now() or message.doc_id in self.hidden:
            return Response.json({"success": False, "message": "Không tìm thấy văn bản", "data": None})
        documents = self._data.documents
        document, status = documents[message.document], message.status
        if status is None and (failure := undelivered.answer(document)):
            return failure
        sender = agencies.load()[document.issuer if status is None else status.recipient]
        xml = _document(document, documents) if status is None else documents_edxml.status_xml(status, documents)
        names = documents_edxml.file_names(document) if status is None else []
        return Response.json(
            {
                "success": True,
                "message": "",
                "data": {
                    "docId": message.doc_id,
                    "from": sender.code,
                    "fromName": sender.name,
                    "edocCode": document.code,
                    "edocAbstract": documents_edxml.subject(document) if status is None else status.description,
                    "edxml": xml,
                    "attachments": [{"fileName": name, "fileContent": documents_edxml.PDF} for name in names],
                    **(
                        {"doMat": documents_edxml.secrecy(document)}
                        if document.is_secret and document.bits >> 21 & 1
                        else {}
                    ),
                },
            }
        )

    def _agencies(self, request: Request) -> Response:
        all_agencies = agencies.load()
        rows = [
            {
                "orgCode": a.code,
                "orgName": a.name,
                "parentCode": "" if a.parent is None else all_agencies[a.parent].code,
                "address": agencies.seat(a),
                "email": "van-thu@example.gov.vn",
                "phone": "0235 000 0000",
            }
            for a in self.agencies()
        ]
        variants: tuple[Any, ...] = (rows, {"code": "200", "data": rows}, {"success": True, "data": rows})
        return Response.json(variants[self._build])

    def _work_files(self, request: Request) -> Response:
        start, end = _days(request)
        page, size = int(request.query.get("pageIndex", 1)), int(request.query.get("pageSize", LARGEST_PAGE))
        if page < 1 or size < 1:
            raise ValueError("pageIndex and pageSize must be at least 1")
        size = min(size, LARGEST_PAGE)
        now = self.clock.now()
        if self._files is None or self._files[0] != now:
            files = [(f.changed_at(now), f) for f in self._data.work_files if f.opened_at <= now]
            self._files = (now, sorted(files, key=lambda pair: (pair[0], pair[1].code)))
        files = self._files[1]
        first = bisect_left(files, start, key=lambda pair: pair[0])
        last = bisect_right(files, end - 1, key=lambda pair: pair[0])
        matching = [file for _, file in files[first:last] if file.code not in self.hidden]
        data = [_work_file(file, now) for file in matching[(page - 1) * size : page * size]]
        return Response.json(
            {"success": True, "total": _total(request, len(matching)), "pageIndex": page, "data": data}
        )


def _document(document: Document, documents: list[Document]) -> str:
    if "D37" in document.defects:
        return hostile_edxml.message(document.bits)
    xml = documents_edxml.document_xml(document, documents)
    return xml[: len(xml) // 2] if undelivered.is_cut(document) else xml


def _total(request: Request, count: int) -> int:
    fault = request.fault("count-off")
    return count + (int(fault.value or 1) if fault else 0)


def _days(request: Request) -> tuple[int, int]:
    """`fromDate` and `toDate`, both inclusive, as a half-open range of instants."""
    first = wording.from_slashed_day(request.query["fromDate"])
    last = wording.from_slashed_day(request.query["toDate"])
    return first * DAY - LOCAL_OFFSET, (last + 1) * DAY - LOCAL_OFFSET


def _day(instant: int) -> str:
    return f"{day_date((instant + LOCAL_OFFSET) // DAY):%d/%m/%Y}"


def _work_file(file: WorkFile, now: int) -> dict[str, Any]:
    agency = agencies.load()[file.agency]
    is_closed = file.closed_at <= now and file.closed_at < NEVER
    return {
        "maHoSo": file.code,
        "tieuDe": file.title,
        "maDonVi": agency.code,
        "capDonVi": _LEVELS[agency.level],
        "ngayMo": _day(file.opened_at),
        "ngayDong": _day(file.closed_at) if is_closed else "",
        "xuLyDienTu": str(int(file.is_electronic)),
        "doMat": _SECRECY[file.opened_at % len(_SECRECY)]
        if file.is_secret
        else _ORDINARY[file.opened_at % len(_ORDINARY)],
        "soVanBan": file.document_count(now),
        "ngayCapNhat": wording.vietnamese(file.changed_at(now)),
    }
