"""What the document system holds: documents, their statuses, and the messages that carry both."""

from dataclasses import dataclass, field
from datetime import date

from lgsp.province import agencies
from lgsp.province.calendar import day_date
from lgsp.province.work_files import WorkFile

NEW, REVOCATION, UPDATE, REPLACEMENT = range(4)
PROFILES = 5  # ways to write edXML; 0 is the usual one

_CODES = {
    "01": "Đã đến",
    "02": "Từ chối tiếp nhận: sai nơi nhận",
    "03": "Đã tiếp nhận",
    "04": "Phân công xử lý",
    "05": "Đang xử lý",
    "06": "Hoàn thành",
    "13": "Lấy lại văn bản",
    "15": "Đồng ý lấy lại",
    "16": "Từ chối lấy lại",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One message that carries a document; an update repeats the identity of its `target`."""

    index: int
    issuer: int
    number: int
    notation: str
    issued_day: int
    sent_at: int
    kind: int
    type_detail: int
    type_name: str
    subject: str
    priority: int
    due_day: int | None
    steering: int
    is_signed: bool
    has_signature_element: bool
    has_paper: bool
    pages: int
    attachments: int
    recipients: tuple[int, ...]
    responds_to: int | None
    target: int | None
    bits: int
    is_secret: bool = False
    uuid: str = ""
    profile: int = 0
    defects: frozenset[str] = frozenset()

    @property
    def code(self) -> str:
        return f"{self.number}/{self.notation}"

    @property
    def issued_on(self) -> date:
        return day_date(self.issued_day)

    @property
    def doc_id(self) -> str:
        """The axis's id of the message."""
        return message_id("d", self.bits)

    @property
    def wire_id(self) -> str:
        """`DocumentId` as sent: the official code, or a UUID."""
        if self.uuid:
            return self.uuid
        return f"{agencies.load()[self.issuer].code},{self.issued_on:%Y/%m/%d},{self.code}"

    @property
    def key(self) -> str:
        """The document's identity, with the canonical agency code."""
        return f"{agencies.load()[self.issuer].new_code},{self.issued_on:%Y/%m/%d},{self.code}"


@dataclass(frozen=True, slots=True)
class Status:
    """One status of one delivery."""

    document: int
    recipient: int
    code: str
    at: int
    bits: int

    @property
    def description(self) -> str:
        return _CODES[self.code]


@dataclass(frozen=True, slots=True)
class Message:
    """One line of a day's list: a document (`status` is None) or a status, under an id, at a time."""

    doc_id: str
    created_at: int
    document: int
    status: Status | None = None


@dataclass(frozen=True)
class Papers:
    """The document system's facts; `messages` in order of `created_at`."""

    documents: list[Document]
    statuses: list[Status]
    messages: list[Message]
    work_files: list[WorkFile] = field(default_factory=list)


def message_id(kind: str, bits: int) -> str:
    """An id in the shape the axis gives its messages."""
    head = f"{kind}{bits >> 8 & 0xFFFFFFF:07x}-{bits >> 36 & 0xFFFF:04x}"
    return f"{head}-4{bits & 0xFFF:03x}-a{bits >> 12 & 0xFFF:03x}-{bits & 0xFFFFFFFFFFFF:012x}"
