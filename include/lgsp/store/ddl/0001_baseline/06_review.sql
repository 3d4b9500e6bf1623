-- The review queue: spellings of agencies that match no agency, and the decisions of reviewers. Never a personal name.

create table if not exists ledger.organisation_review (
    review_id        bigint generated always as identity primary key,
    source           text not null,
    alias_key        text not null,
    alias            text not null,
    first_seen_on    date,
    candidates       jsonb not null default '[]',
    state            text not null default 'open' check (state in ('open', 'accepted', 'rejected')),
    organisation_id  text,
    decided_by       text,
    decided_at       timestamptz,
    why              text,
    batch_id         text not null references ledger.batch,  -- the first batch with this spelling
    created_at       timestamptz not null default now(),
    unique (source, alias_key),
    check ((state = 'accepted') = (organisation_id is not null)),
    check ((state = 'open') = (decided_by is null))
);

-- The landed batches that contain the spelling: a batch that is harmonised again counts once.
create table if not exists ledger.organisation_review_batch (
    review_id    bigint not null references ledger.organisation_review,
    batch_id     text not null references ledger.batch,
    record_count bigint not null,
    primary key (review_id, batch_id)
);

-- All decisions, also those replaced by a later one; rows are only added.
create table if not exists ledger.organisation_decision (
    decision_id     bigint generated always as identity primary key,
    review_id       bigint not null references ledger.organisation_review,
    state           text not null check (state in ('accepted', 'rejected')),
    organisation_id text,
    decided_by      text not null,
    decided_at      timestamptz not null default now(),
    why             text
);
create index if not exists organisation_decision_review on ledger.organisation_decision (review_id);
