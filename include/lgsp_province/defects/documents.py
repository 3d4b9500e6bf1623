"""Draws the defects of the documents, each defect from its own random stream."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from lgsp_province.world import private_subjects
from lgsp_province.world.document_data import NEW, PROFILES, REPLACEMENT, REVOCATION, UPDATE, Document, message_id

# A subject shows at most one of these: the first one drawn.
_SUBJECT_DEFECTS = ("private-subject", "D23", "D02", "D03", "D04", "D05", "D07", "D17", "D01", "D47")
_EXCLUDING = ("secret", "D37", "D50")  # they keep a document out of every dataset
_MAX_LISTING_DELAY = 5 * 3600


def _draw(
    seed: int, name: str, rate: float, documents: list[Document], is_eligible: Callable[[Document], bool]
) -> set[int]:
    """Indexes drawn from the eligible documents at a rate; at least one early document if the rate is not zero."""
    rng = random.Random(f"document {name} {seed}")  # noqa: S311
    eligible = [d.index for d in documents if is_eligible(d)]
    drawn = {index for index in eligible if rng.random() < rate}
    early = eligible[: max(1, len(eligible) // 3)]
    if rate > 0 and early and not drawn & set(early):
        drawn.add(rng.choice(early))
    return drawn


def mark_documents(seed: int, documents: list[Document], rates: Mapping[str, float]) -> list[Document]:
    """The documents with their defects."""
    targets = {d.target for d in documents}
    response_targets = {d.responds_to for d in documents}

    def is_standalone(d: Document) -> bool:
        return d.kind == NEW and d.responds_to is None and d.index not in targets | response_targets

    def has_content(d: Document) -> bool:
        return d.kind != REVOCATION and d.index not in excluded

    excluded: set[int] = set()
    eligible: dict[str, Callable[[Document], bool]] = {
        "secret": is_standalone,
        "D37": lambda d: is_standalone(d) and d.index not in excluded,
        "D50": lambda d: is_standalone(d) and d.index not in excluded,
        **dict.fromkeys(_SUBJECT_DEFECTS, has_content),
        "D06": has_content,
        "D08": lambda d: True,
        "D21": lambda d: d.index not in excluded,
        "D31": lambda d: d.kind in (NEW, REPLACEMENT) and d.index not in excluded,
        "D32": lambda d: len(d.recipients) > 1,
        "D36": lambda d: True,
        "D46": lambda d: d.responds_to is not None and d.index not in excluded,
        "status-form": lambda d: True,
        "uuid-document-id": lambda d: d.kind != UPDATE and d.index not in targets,
    }
    defects: dict[int, set[str]] = {d.index: set() for d in documents}
    for name, is_eligible in eligible.items():
        drawn = _draw(seed, name, rates.get(name, 0.0), documents, is_eligible)
        if name in _EXCLUDING:
            excluded |= drawn
        for index in drawn:
            if name not in _SUBJECT_DEFECTS or not defects[index].intersection(_SUBJECT_DEFECTS):
                defects[index].add(name)
    return [_marked(seed, d, frozenset(defects[d.index])) for d in documents]


def _marked(seed: int, document: Document, defects: frozenset[str]) -> Document:
    rng = random.Random(f"document traits {seed} {document.index}")  # noqa: S311
    profile, uuid, listing_delay = (
        rng.randrange(1, PROFILES),
        message_id("0", rng.getrandbits(64)),
        rng.randrange(_MAX_LISTING_DELAY),
    )
    subject, personal_data = (
        private_subjects.generate(document.bits) if "private-subject" in defects else (document.subject, ())
    )
    if "D07" in defects and "Đ" not in subject:
        subject = f"{subject} (Đề án 06)"  # adds a letter that has a look-alike
    return replace(
        document,
        is_secret="secret" in defects,
        defects=defects,
        profile=profile if "D36" in defects else 0,
        uuid=uuid if "uuid-document-id" in defects else "",
        listing_delay=listing_delay if "D31" in defects else 0,
        subject=subject,
        personal_data=personal_data,
    )
