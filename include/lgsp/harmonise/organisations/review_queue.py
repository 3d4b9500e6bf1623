"""The review: spellings that mean no agency anybody knows, shown to a person, whose decision is remembered."""

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
from lgsp.store.ledger import Connection
from lgsp.vietnam import personal_data, text
from lgsp.window import Window

log = logging.getLogger(__name__)

DECISIONS = "# Decisions of the review, by source."


@dataclass(frozen=True)
class Unmatched:
    """A spelling of one batch that neither a name nor a listed alias explains, and the number of records that use it."""

    alias: str
    key: str
    seen_on: date | None
    records: int


@dataclass(frozen=True)
class Review:
    """One spelling under review, with what was decided about it."""

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
    """How many spellings are new to the review; those it knows get this batch's records, and keep their decision.

    Spellings that only a decision explains belong here too: so the ledger knows which batches rest on it. A
    spelling with a person in it is left out. What this batch held before and holds no more no longer waits for it.
    `used` are the decisions the batch was harmonised with: the log warns of those taken since.
    """
    found = _merged(_without_persons(list(unmatched), directory))
    batch = connection.execute(
        "select coalesce(rebuilt_from, batch_id) as landed, window_from, window_to from ledger.batch where batch_id = %s",
        [batch_id],
    ).fetchone()
    if batch is None:
        raise LgspError(f"the ledger knows no batch {batch_id!r}")
    decided = {
        told["alias_key"]
        for told in connection.execute(
            "select alias_key from ledger.organisation_review where source = %s and state <> 'open'", [source]
        )
    }
    shortlist = Shortlist(directory)
    new = 0
    for one in found:
        resembling = [] if one.key in decided else shortlist.of(one.alias)
        new += _keep(connection, source, batch["landed"], one, resembling)
    connection.execute(
        "delete from ledger.organisation_review_batch b using ledger.organisation_review r "
        "where r.review_id = b.review_id and b.batch_id = %s and r.source = %s and r.alias_key <> all(%s::text[])",
        [batch["landed"], source, [one.key for one in found]],
    )
    if used is not None:
        _warn(connection, source, batch_id, Window(batch["window_from"], batch["window_to"]), found, used)
    return new


def _warn(
    connection: Connection, source: str, batch_id: str, window: Window, found: list[Unmatched], used: Mapping[str, str]
) -> None:
    # Only now are the reviews locked: whoever decides later is told of this batch, whoever decided before is seen here.
    now = accepted(connection, source)
    since = [one.alias for one in found if now.get(one.key) != used.get(one.key)]
    if since:
        log.warning(
            "%s does not rest on what was decided while it was harmonised about %s; `lgsp rebuild %s --from %s --to %s`",
            batch_id,
            ", ".join(map(repr, since)),
            source,
            *str(window).split(".."),
        )


def _keep(connection: Connection, source: str, landed: str, one: Unmatched, resembling: list[Candidate]) -> bool:
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
            [source, one.key, one.alias, one.seen_on, json.dumps([asdict(c) for c in resembling]), landed],
        )
    )
    connection.execute(
        "insert into ledger.organisation_review_batch (review_id, batch_id, record_count) values (%s, %s, %s) "
        "on conflict (review_id, batch_id) do update set record_count = excluded.record_count",
        [row["review_id"], landed, one.records],
    )
    return bool(row["is_new"])


def _merged(unmatched: list[Unmatched]) -> list[Unmatched]:
    """One for each key, in the order of keys: two batches that meet the same spellings must not wait for each other."""
    by_key: dict[str, list[Unmatched]] = defaultdict(list)
    for one in unmatched:
        by_key[one.key].append(one)
    return [
        Unmatched(
            min(one.alias for one in same),
            key,
            min((one.seen_on for one in same if one.seen_on), default=None),
            sum(one.records for one in same),
        )
        for key, same in sorted(by_key.items())
    ]


def _without_persons(unmatched: list[Unmatched], directory: list[Organisation]) -> list[Unmatched]:
    """Those that may be kept: no personal data goes into the ledger, but Phan Đình Phùng may be a ward."""
    named_after = [_person_in(o.name) for o in directory if personal_data.without_persons(o.name) != o.name]
    wards = re.compile("|".join(map(re.escape, sorted(named_after))) or r"(?!)", re.IGNORECASE)
    kept = []
    for one in unmatched:
        cleaned = wards.sub("", text.clean(one.alias) or "")
        if personal_data.without_persons(cleaned) == text.clean(cleaned):
            kept.append(Unmatched(text.clean(one.alias) or "", one.key, one.seen_on, one.records))
    if len(kept) < len(unmatched):
        log.warning("%d spellings of agencies have persons in them and are not proposed", len(unmatched) - len(kept))
    return kept


def _person_in(name: str) -> str:
    """The shortest end of an agency's name that reads like a person's."""
    words = name.split()
    ends = [" ".join(words[start:]) for start in range(len(words))]
    return [end for end in ends if personal_data.without_persons(end) != end][-1]


def accepted(connection: Connection, source: str) -> dict[str, str]:
    """Canonical key to agency id, for the spellings of a source that somebody decided about."""
    rows = connection.execute(
        "select alias_key, organisation_id from ledger.organisation_review where source = %s and state = 'accepted'",
        [source],
    )
    return {row["alias_key"]: row["organisation_id"] for row in rows}


def listing(connection: Connection, source: str | None = None, *, is_whole: bool = False) -> list[Review]:
    """The open reviews that a record waits for (all when `is_whole`), those with the most records first."""
    rows = connection.execute(
        "select * from ledger.organisation_worklist where ((state = 'open' and record_count > 0) or %s) and (source = %s or %s) "
        "order by state = 'open' desc, record_count desc, review_id",
        [is_whole, source, source is None],
    )
    return [_review(row) for row in rows]


def one(connection: Connection, review_id: int) -> Review:
    """One review. Raises LgspError when there is none of that number."""
    row = connection.execute("select * from ledger.organisation_worklist where review_id = %s", [review_id]).fetchone()
    if row is None:
        raise LgspError(f"there is no review {review_id}; see `lgsp organisations review --all`")
    return _review(row)


def _review(row: dict[str, Any]) -> Review:
    return Review(**{**row, "candidates": tuple(Candidate(**told) for told in row["candidates"])})


def accept(
    connection: Connection, review_id: int, organisation_id: str | None, who: str, why: str | None = None
) -> Review:
    """Decide that a spelling means an agency: the one given, else its best candidate where that is beyond doubt.

    Raises LgspError when the agency is unknown, or has to be named because candidates are too much alike.
    """
    asked = one(connection, review_id)
    meant = _known(connection, asked, organisation_id) if organisation_id else _best(asked)
    return _decide(connection, review_id, "accepted", meant, who, why)


def reject(connection: Connection, review_id: int, who: str, why: str | None = None) -> Review:
    """Decide that a spelling means no agency of ours; it is not asked about again."""
    one(connection, review_id)
    return _decide(connection, review_id, "rejected", None, who, why)


def _best(asked: Review) -> str:
    name_it = f"name the agency: `lgsp organisations accept {asked.review_id} --as ORGANISATION_ID`"
    if not asked.candidates:
        raise LgspError(f"{asked.alias!r} resembles no agency; {name_it}")
    if any(candidate.accent_only for candidate in asked.candidates):
        raise LgspError(f"{asked.alias!r} differs from an agency's name by accents alone, which may be two communes; {name_it}")  # fmt: skip
    best, *others = asked.candidates
    if others and others[0].score == best.score:
        raise LgspError(f"{asked.alias!r} resembles {best.organisation_id} and {others[0].organisation_id} alike; {name_it}")  # fmt: skip
    return best.organisation_id


def _known(connection: Connection, asked: Review, told: str) -> str:
    identity = directory.identify(told)
    organisation_id = identity[0] if identity else told
    query = "select exists (select from record.organisation where organisation_id = %s) as is_known"
    row = one_row(connection.execute(query, [organisation_id]))
    if not row["is_known"] and organisation_id not in {c.organisation_id for c in asked.candidates}:
        raise LgspError(f"no published list names an agency {told!r}; see shared.organisation for those there are")
    return organisation_id


def _decide(
    connection: Connection, review_id: int, state: str, organisation_id: str | None, who: str, why: str | None
) -> Review:
    if not who.strip():
        raise LgspError("a decision needs the name of whoever takes it: --by NAME")
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
    return one(connection, review_id)


def windows(connection: Connection, review_id: int) -> list[Window]:
    """The windows whose batches hold a spelling, oldest first, touching ones as one: what to rebuild after a decision."""
    rows = connection.execute(
        "select window_from, window_to from ledger.organisation_review_batch join ledger.batch using (batch_id) "
        "where review_id = %s order by 1, 2",
        [review_id],
    )
    found: list[Window] = []
    for row in rows:
        window = Window(row["window_from"], row["window_to"])
        if found and window.start <= found[-1].end:
            window = Window(found[-1].start, max(found.pop().end, window.end))
        found.append(window)
    return found


def aliases_yaml(connection: Connection) -> str:
    """The listed aliases with the decisions added, as `codelists/organisation_alias.yml` may be replaced by.

    Decisions stand in a section of their source; what the file says already stays as it is.
    """
    import yaml

    rows = connection.execute(
        "select source, alias_key, organisation_id from ledger.organisation_review where state = 'accepted' order by 1, 2"
    )
    told: dict[str, dict[str, str]] = {
        name: dict(codelists.load(ALIASES)[name]) for name in sources.names() if name in codelists.load(ALIASES)
    }
    for row in rows:
        told.setdefault(row["source"], {}).setdefault(row["alias_key"], row["organisation_id"])
    by_people = (codelists.FOLDER / f"{ALIASES}.yml").read_text()
    by_people = re.split(rf"(?m)^(?:{re.escape(DECISIONS)}\n)?(?:{'|'.join(sources.names())}):", by_people)[0].rstrip()
    if not told:
        return by_people + "\n"
    decided = yaml.safe_dump(told, allow_unicode=True, sort_keys=True, width=1000)
    return f"{by_people}\n\n{DECISIONS}\n{decided}"
