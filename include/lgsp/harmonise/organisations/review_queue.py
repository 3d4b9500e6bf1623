"""The review queue: agency spellings that match no agency, for a person to decide; decisions apply to later batches."""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from lgsp.errors import LgspError
from lgsp.harmonise.organisations import directory
from lgsp.harmonise.organisations.directory import Organisation
from lgsp.harmonise.organisations.matcher import ALIASES, Candidate, Shortlist
from lgsp.schema import codelists, sources
from lgsp.sql import one_row
from lgsp.store import decisions
from lgsp.store.ledger import Connection
from lgsp.vietnam import personal_data, text
from lgsp.window import Window

log = logging.getLogger(__name__)

DECISIONS = "# Decisions of the review, by source."


@dataclass(frozen=True)
class Unmatched:
    """A spelling of a batch that matches neither a name nor a listed alias, and the number of records that use it."""

    alias: str
    key: str
    seen_on: date | None
    records: int


@dataclass(frozen=True)
class Review:
    """A spelling under review, with the decision about it."""

    review_id: int
    source: str
    alias_key: str
    alias: str
    first_seen_on: date | None
    record_count: int
    candidates: tuple[Candidate, ...]
    state: str
    organisation_id: str | None
    decided_by: str | None
    decided_at: datetime | None
    why: str | None
    batch_id: str


def propose(
    connection: Connection,
    source: str,
    batch_id: str,
    unmatched: Iterable[Unmatched],
    directory: list[Organisation],
    used: Mapping[str, str] | None = None,
) -> int:
    """Add the unmatched spellings of a batch to the review; returns the number of new ones.

    Known spellings get the number of records of this batch and keep their decision. `unmatched` includes spellings that
    match by a decision only, so that the ledger has the batches that depend on it. A spelling with a person's name in it
    is left out. Spellings that the batch had before and no longer has are removed from it. `used` are the decisions that
    the batch was harmonised with: decisions made since are logged as a warning.
    """
    spellings = _merged(_without_persons(list(unmatched), directory))
    batch = connection.execute(
        "select coalesce(rebuilt_from, batch_id) as landed, window_from, window_to from ledger.batch where batch_id = %s",
        [batch_id],
    ).fetchone()
    if batch is None:
        raise LgspError(f"the ledger has no batch {batch_id!r}")
    decided = {
        row["alias_key"]
        for row in connection.execute(
            "select alias_key from ledger.organisation_review where source = %s and state <> 'open'", [source]
        )
    }
    shortlist = Shortlist(directory)
    new = 0
    for spelling in spellings:
        candidates = [] if spelling.key in decided else shortlist.candidates(spelling.alias)
        new += _save(connection, source, batch["landed"], spelling, candidates)
    connection.execute(
        "delete from ledger.organisation_review_batch b using ledger.organisation_review r "
        "where r.review_id = b.review_id and b.batch_id = %s and r.source = %s and r.alias_key <> all(%s::text[])",
        [batch["landed"], source, [spelling.key for spelling in spellings]],
    )
    if used is not None:
        window = Window(batch["window_from"], batch["window_to"])
        _warn_of_new_decisions(connection, source, batch_id, window, spellings, used)
    return new


def _warn_of_new_decisions(
    connection: Connection,
    source: str,
    batch_id: str,
    window: Window,
    spellings: list[Unmatched],
    used: Mapping[str, str],
) -> None:
    # The reviews are locked from here on: earlier decisions are visible here, later ones list this batch.
    current = accepted(connection, source)
    changed = [spelling.alias for spelling in spellings if current.get(spelling.key) != used.get(spelling.key)]
    if changed:
        log.warning(
            "%s does not use decisions made while it was harmonised, about %s; run `lgsp rebuild %s --from %s --to %s`",
            batch_id,
            ", ".join(map(repr, changed)),
            source,
            *str(window).split(".."),
        )


def _save(connection: Connection, source: str, landed: str, spelling: Unmatched, candidates: list[Candidate]) -> bool:
    """Insert or update the review of a spelling; returns whether it is new."""
    row = one_row(
        connection.execute(
            """
        insert into ledger.organisation_review as r (source, alias_key, alias, first_seen_on, candidates, batch_id)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (source, alias_key) do update set
            first_seen_on = least(r.first_seen_on, excluded.first_seen_on),
            candidates = case when r.state = 'open' then excluded.candidates else r.candidates end
        returning review_id, xmax = 0 as is_new
        """,
            [
                source,
                spelling.key,
                spelling.alias,
                spelling.seen_on,
                json.dumps([asdict(c) for c in candidates]),
                landed,
            ],
        )
    )
    connection.execute(
        "insert into ledger.organisation_review_batch (review_id, batch_id, record_count) values (%s, %s, %s) "
        "on conflict (review_id, batch_id) do update set record_count = excluded.record_count",
        [row["review_id"], landed, spelling.records],
    )
    return bool(row["is_new"])


def _merged(unmatched: list[Unmatched]) -> list[Unmatched]:
    """One spelling for each key, in the order of keys: two batches with the same spellings must not deadlock."""
    by_key: dict[str, list[Unmatched]] = defaultdict(list)
    for spelling in unmatched:
        by_key[spelling.key].append(spelling)
    return [
        Unmatched(
            min(spelling.alias for spelling in same),
            key,
            min((spelling.seen_on for spelling in same if spelling.seen_on), default=None),
            sum(spelling.records for spelling in same),
        )
        for key, same in sorted(by_key.items())
    ]


def _without_persons(unmatched: list[Unmatched], directory: list[Organisation]) -> list[Unmatched]:
    """The spellings without a person's name, because the ledger has no personal data; agencies may be named after persons."""
    named_after = [_person_in(o.name) for o in directory if personal_data.without_persons(o.name) != o.name]
    names_of_agencies = re.compile("|".join(map(re.escape, sorted(named_after))) or r"(?!)", re.IGNORECASE)
    allowed = []
    for spelling in unmatched:
        cleaned = names_of_agencies.sub("", text.clean(spelling.alias) or "")
        if personal_data.without_persons(cleaned) == text.clean(cleaned):
            allowed.append(
                Unmatched(text.clean(spelling.alias) or "", spelling.key, spelling.seen_on, spelling.records)
            )
    if len(allowed) < len(unmatched):
        log.warning(
            "%d agency spellings contain a person's name and are not added to the review", len(unmatched) - len(allowed)
        )
    return allowed


def _person_in(name: str) -> str:
    """The shortest end of an agency's name that looks like a person's name."""
    words = name.split()
    ends = [" ".join(words[start:]) for start in range(len(words))]
    return [end for end in ends if personal_data.without_persons(end) != end][-1]


def accepted(connection: Connection, source: str) -> dict[str, str]:
    """Canonical key to agency id, for the accepted spellings of a source."""
    rows = connection.execute(
        "select alias_key, organisation_id from ledger.organisation_review where source = %s and state = 'accepted'",
        [source],
    )
    return {row["alias_key"]: row["organisation_id"] for row in rows}


def listing(connection: Connection, source: str | None = None, *, is_whole: bool = False) -> list[Review]:
    """The open reviews that records depend on (with `is_whole` all reviews), those with the most records first."""
    rows = connection.execute(
        "select * from ledger.organisation_worklist where ((state = 'open' and record_count > 0) or %s) and (source = %s or %s) "
        "order by state = 'open' desc, record_count desc, review_id",
        [is_whole, source, source is None],
    )
    return [_review(row) for row in rows]


def find(connection: Connection, review_id: int) -> Review:
    """The review with a number. Raises LgspError when there is none."""
    row = connection.execute("select * from ledger.organisation_worklist where review_id = %s", [review_id]).fetchone()
    if row is None:
        raise LgspError(f"there is no review {review_id}; see `lgsp organisations review --all`")
    return _review(row)


def _review(row: dict[str, Any]) -> Review:
    return Review(**{**row, "candidates": tuple(Candidate(**candidate) for candidate in row["candidates"])})


def accept(
    connection: Connection, review_id: int, organisation_id: str | None, who: str, why: str | None = None
) -> Review:
    """Decide that a spelling means an agency: the given one, else its best candidate.

    Raises LgspError when the agency is unknown, or must be given because no candidate is clearly the best.
    """
    review = find(connection, review_id)
    meant = _existing_id(connection, review, organisation_id) if organisation_id else _best(review)
    return _decide(connection, review_id, "accepted", meant, who, why)


def reject(connection: Connection, review_id: int, who: str, why: str | None = None) -> Review:
    """Decide that a spelling means no agency of the directory; it does not come up for review again."""
    find(connection, review_id)
    return _decide(connection, review_id, "rejected", None, who, why)


def _best(review: Review) -> str:
    """The best candidate. Raises LgspError when none is clearly the best."""
    command = f"name the agency: `lgsp organisations accept {review.review_id} --as ORGANISATION_ID`"
    if not review.candidates:
        raise LgspError(f"{review.alias!r} is similar to no agency; {command}")
    if any(candidate.accent_only for candidate in review.candidates):
        raise LgspError(f"{review.alias!r} differs from an agency's name in accents only, which may be two communes; {command}")  # fmt: skip
    best, *others = review.candidates
    if others and others[0].score == best.score:
        raise LgspError(f"{review.alias!r} is equally similar to {best.organisation_id} and {others[0].organisation_id}; {command}")  # fmt: skip
    return best.organisation_id


def _existing_id(connection: Connection, review: Review, code: str) -> str:
    """The id of an agency code. Raises LgspError when no agency has it."""
    identity = directory.identify(code)
    organisation_id = identity[0] if identity else code
    query = "select exists (select from record.organisation where organisation_id = %s) as is_known"
    row = one_row(connection.execute(query, [organisation_id]))
    if not row["is_known"] and organisation_id not in {c.organisation_id for c in review.candidates}:
        raise LgspError(f"no published list has an agency {code!r}; see shared.organisation for the existing ones")
    return organisation_id


def _decide(
    connection: Connection, review_id: int, state: str, organisation_id: str | None, who: str, why: str | None
) -> Review:
    if not who.strip():
        raise LgspError("a decision needs the name of the person who makes it: --by NAME")
    decision = {"review_id": review_id, "state": state, "organisation_id": organisation_id, "who": who, "why": why}
    connection.execute(
        "insert into ledger.organisation_decision (review_id, state, organisation_id, decided_by, why) "
        "values (%(review_id)s, %(state)s, %(organisation_id)s, %(who)s, %(why)s)",
        decision,
    )
    connection.execute(
        "update ledger.organisation_review set state = %(state)s, organisation_id = %(organisation_id)s, decided_by = %(who)s, "
        "decided_at = now(), why = %(why)s where review_id = %(review_id)s",
        decision,
    )
    decisions.record(connection)
    return find(connection, review_id)


def windows(connection: Connection, review_id: int) -> list[Window]:
    """The windows to rebuild after a decision: those of the batches with the spelling, oldest first, adjacent ones joined."""
    rows = connection.execute(
        "select window_from, window_to from ledger.organisation_review_batch join ledger.batch using (batch_id) "
        "where review_id = %s order by 1, 2",
        [review_id],
    )
    joined: list[Window] = []
    for row in rows:
        window = Window(row["window_from"], row["window_to"])
        if joined and window.start <= joined[-1].end:
            window = Window(joined[-1].start, max(joined.pop().end, window.end))
        joined.append(window)
    return joined


def aliases_yaml(connection: Connection) -> str:
    """The text of `codelists/organisation_alias.yml` with the accepted decisions added.

    Decisions are in a section for their source; existing lines are not changed.
    """
    import yaml

    rows = connection.execute(
        "select source, alias_key, organisation_id from ledger.organisation_review where state = 'accepted' order by 1, 2"
    )
    by_source: dict[str, dict[str, str]] = {
        name: dict(codelists.load(ALIASES)[name]) for name in sources.names() if name in codelists.load(ALIASES)
    }
    for row in rows:
        by_source.setdefault(row["source"], {}).setdefault(row["alias_key"], row["organisation_id"])
    manual = (codelists.FOLDER / f"{ALIASES}.yml").read_text(encoding="utf-8")
    manual = re.split(rf"(?m)^(?:{re.escape(DECISIONS)}\n)?(?:{'|'.join(sources.names())}):", manual)[0].rstrip()
    if not by_source:
        return manual + "\n"
    decided = yaml.safe_dump(by_source, allow_unicode=True, sort_keys=True, width=1000)
    return f"{manual}\n\n{DECISIONS}\n{decided}"
