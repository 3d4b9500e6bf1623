"""What is wrong with the documents: which of them show which defect. Each defect is drawn from its own stream."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from lgsp_province.world import private_subjects
from lgsp_province.world.papers import NEW, PROFILES, REPLACEMENT, REVOCATION, UPDATE, Document, message_id

# A subject shows at most one of these; the first that was drawn.
OF_SUBJECT = ("private-subject", "D23", "D02", "D03", "D04", "D05", "D07", "D17", "D01")
_MOST_LATE = 5 * 3600


def _drawn(
    seed: int, name: str, rate: float, documents: list[Document], is_eligible: Callable[[Document], bool]
) -> set[int]:
    """Choose among the eligible at a rate: at least one early document, when the rate is not zero."""
    rng = random.Random(f"document {name} {seed}")  # noqa: S311
    eligible = [d.index for d in documents if is_eligible(d)]
    hit = {index for index in eligible if rng.random() < rate}
    early = eligible[: max(1, len(eligible) // 3)]
    if rate > 0 and early and not hit & set(early):
        hit.add(rng.choice(early))
    return hit


def mark(seed: int, documents: list[Document], rates: Mapping[str, float]) -> list[Document]:
    """The documents with what is wrong with each."""
    targets = {d.target for d in documents}
    answered = {d.responds_to for d in documents}

    def is_plain(d: Document) -> bool:
        return d.kind == NEW and d.responds_to is None and d.index not in targets | answered

    def says_something(d: Document) -> bool:
        return d.kind != REVOCATION and d.index not in stopped

    stopped: set[int] = set()
    eligible: dict[str, Callable[[Document], bool]] = {
        "secret": is_plain,
        "D37": lambda d: is_plain(d) and d.index not in stopped,
        **dict.fromkeys(OF_SUBJECT, says_something),
        "D06": says_something,
        "D08": lambda d: True,
        "D21": lambda d: d.index not in stopped,
        "D31": lambda d: d.kind in (NEW, REPLACEMENT) and d.index not in stopped,
        "D32": lambda d: len(d.recipients) > 1,
        "D36": lambda d: True,
        "status-form": lambda d: True,
        "uuid-document-id": lambda d: d.kind != UPDATE and d.index not in targets,
    }
    defects: dict[int, set[str]] = {d.index: set() for d in documents}
    for name, is_eligible in eligible.items():
        hit = _drawn(seed, name, rates.get(name, 0.0), documents, is_eligible)
        if name in ("secret", "D37"):
            stopped |= hit
        for index in hit:
            if name not in OF_SUBJECT or not defects[index].intersection(OF_SUBJECT):
                defects[index].add(name)
    return [_marked(seed, d, frozenset(defects[d.index])) for d in documents]


def _marked(seed: int, document: Document, defects: frozenset[str]) -> Document:
    rng = random.Random(f"document traits {seed} {document.index}")  # noqa: S311
    profile, uuid, late = rng.randrange(1, PROFILES), message_id("0", rng.getrandbits(64)), rng.randrange(_MOST_LATE)
    subject, planted = private_subjects.of(document.bits) if "private-subject" in defects else (document.subject, ())
    if "D07" in defects and "Đ" not in subject:
        subject = f"{subject} (Đề án 06)"  # so that something can look alike
    return replace(
        document,
        is_secret="secret" in defects,
        defects=defects,
        profile=profile if "D36" in defects else 0,
        uuid=uuid if "uuid-document-id" in defects else "",
        late=late if "D31" in defects else 0,
        subject=subject,
        planted=planted,
    )
