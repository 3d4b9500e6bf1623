"""Defines the data of the document system: documents, statuses, and the messages that carry them."""

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
    """One message that carries a document; an update has the same identity as its `target`."""

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
    added: tuple[int, ...] = ()  # recipients that an update adds and removes
    removed: tuple[int, ...] = ()
    is_content: bool = True  # false for an update that changes only the recipients
    listing_delay: int = 0  # seconds until the axis lists it
    personal_data: tuple[str, ...] = ()  # names, numbers and addresses of persons in its subject

    @property
    def listed_at(self) -> int:
        """The instant at which the document exchange axis lists it."""
        return self.sent_at + self.listing_delay

    @property
    def excluded_by(self) -> str | None:
        """The defect that excludes it from every dataset; None if there is none."""
        return "secret" if self.is_secret else next((name for name in ("D37", "D50") if name in self.defects), None)

    @property
    def code(self) -> str:
        return f"{self.number}/{self.notation}"

    @property
    def issued_on(self) -> date:
        return day_date(self.issued_day)

    @property
    def doc_id(self) -> str:
        """The id of the message on the document exchange axis."""
        return message_id("d", self.bits)

    @property
    def wire_id(self) -> str:
        """`DocumentId` as sent: the official identifier or a UUID."""
        if self.uuid:
            return self.uuid
        return f"{agencies.load()[self.issuer].code},{self.issued_on:%Y/%m/%d},{self.code}"

    @property
    def key(self) -> str:
        """The document's identity, with the canonical agency code and the notation in upper case."""
        return f"{agencies.load()[self.issuer].new_code},{self.issued_on:%Y/%m/%d},{self.code.upper()}"


@dataclass(frozen=True, slots=True)
class Status:
    """One status of one delivery, as reported by the recipient."""

    document: int
    recipient: int
    code: str
    at: int
    bits: int
    listing_delay: int = 0  # seconds until the axis lists it
    code_form: int = 0  # how its code is written; 0 is the usual way

    @property
    def listed_at(self) -> int:
        """The instant at which the document exchange axis lists it."""
        return self.at + self.listing_delay

    @property
    def description(self) -> str:
        return _CODES[self.code]


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a day's list: a document if `status` is None, otherwise a status."""

    doc_id: str
    created_at: int
    document: int
    status: Status | None = None


@dataclass(frozen=True)
class DocumentState:
    """The state of a document at an instant.

    `content` is the latest version of the document; `recipients` maps agency indexes to the instant of sending.
    """

    document: Document
    content: Document
    recipients: dict[int, int]
    revoked_at: int | None
    replaced_by: str | None


@dataclass(frozen=True)
class DocumentData:
    """The data of the document system; `messages` are in order of `created_at`."""

    documents: list[Document]
    statuses: list[Status]
    messages: list[Message]
    work_files: list[WorkFile] = field(default_factory=list)

    def states(self, as_of: int) -> list[DocumentState]:
        """The documents listed by an instant, with their updates, revocations and replacements by then.

        Documents that are excluded from every dataset are left out.
        """
        visible = [d for d in self.documents if d.listed_at <= as_of and d.excluded_by is None]
        updates = defaultdict(list)
        for document in visible:
            if document.kind == UPDATE and document.target is not None:
                updates[document.target].append(document)
        revoked = {d.target: d.sent_at for d in visible if d.kind == REVOCATION}
        replaced = {d.target: d.key for d in visible if d.kind == REPLACEMENT}
        states = []
        for document in visible:
            if document.kind not in (NEW, REPLACEMENT):
                continue
            content, recipients = document, dict.fromkeys(document.recipients, document.sent_at)
            for update in updates[document.index]:
                content = update if update.is_content else content
                recipients = dict.fromkeys(update.recipients, update.sent_at) | recipients
                recipients = {r: at for r, at in recipients.items() if r not in update.removed}
            states.append(
                DocumentState(document, content, recipients, revoked.get(document.index), replaced.get(document.index))
            )
        return states


def message_id(kind: str, bits: int) -> str:
    """A message id in the format of the document exchange axis."""
    head = f"{kind}{bits >> 8 & 0xFFFFFFF:07x}-{bits >> 36 & 0xFFFF:04x}"
    return f"{head}-4{bits & 0xFFF:03x}-a{bits >> 12 & 0xFFF:03x}-{bits & 0xFFFFFFFFFFFF:012x}"
