"""What the document system holds: documents, their statuses, and the messages that carry both."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_date
from lgsp_province.world.work_files import WorkFile

NEW, REVOCATION, UPDATE, REPLACEMENT = range(4)
PROFILES = 8  # ways to write edXML; 0 is the usual one

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
    added: tuple[int, ...] = ()  # recipients that an update adds, and takes away
    removed: tuple[int, ...] = ()
    is_content: bool = True  # an update may be of the recipients alone
    late: int = 0  # seconds until the axis lists it
    planted: tuple[str, ...] = ()  # what its subject tells of persons

    @property
    def listed_at(self) -> int:
        """When the axis lists it."""
        return self.sent_at + self.late

    @property
    def stopped_as(self) -> str | None:
        """The defect that keeps it out of every dataset, if any does."""
        return "secret" if self.is_secret else "D37" if "D37" in self.defects else None

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
    late: int = 0  # seconds until the axis lists it
    form: int = 0  # the way its code is written; 0 is the usual one

    @property
    def listed_at(self) -> int:
        """When the axis lists it."""
        return self.at + self.late

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
class Standing:
    """A document as it stands at an instant: who it is, what it says, and when it was sent to whom."""

    document: Document
    content: Document
    recipients: dict[int, int]
    revoked_at: int | None
    replaced_by: str | None


@dataclass(frozen=True)
class Papers:
    """The document system's facts; `messages` in order of `created_at`."""

    documents: list[Document]
    statuses: list[Status]
    messages: list[Message]
    work_files: list[WorkFile] = field(default_factory=list)

    def standing(self, as_of: int) -> list[Standing]:
        """The documents that stand at an instant, with what followed up on them by then; none that must be stopped."""
        visible = [d for d in self.documents if d.listed_at <= as_of and d.stopped_as is None]
        updates = defaultdict(list)
        for document in visible:
            if document.kind == UPDATE and document.target is not None:
                updates[document.target].append(document)
        revoked = {d.target: d.sent_at for d in visible if d.kind == REVOCATION}
        replaced = {d.target: d.key for d in visible if d.kind == REPLACEMENT}
        found = []
        for document in visible:
            if document.kind not in (NEW, REPLACEMENT):
                continue
            content, recipients = document, dict.fromkeys(document.recipients, document.sent_at)
            for update in updates[document.index]:
                content = update if update.is_content else content
                recipients = dict.fromkeys(update.recipients, update.sent_at) | recipients
                recipients = {r: at for r, at in recipients.items() if r not in update.removed}
            found.append(
                Standing(document, content, recipients, revoked.get(document.index), replaced.get(document.index))
            )
        return found


def message_id(kind: str, bits: int) -> str:
    """An id in the shape the axis gives its messages."""
    head = f"{kind}{bits >> 8 & 0xFFFFFFF:07x}-{bits >> 36 & 0xFFFF:04x}"
    return f"{head}-4{bits & 0xFFF:03x}-a{bits >> 12 & 0xFFF:03x}-{bits & 0xFFFFFFFFFFFF:012x}"
