-- The review: spellings of agencies that nothing explains, and what people decided they mean. Never a person's name.

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
    batch_id         text not null references ledger.batch,  -- that brought it first
    created_at       timestamptz not null default now(),
    unique (source, alias_key),
    check ((state = 'accepted') = (organisation_id is not null)),
    check ((state = 'open') = (decided_by is null))
);

-- Which landed batches hold the spelling: a batch that is harmonised again counts once.
create table if not exists ledger.organisation_review_batch (
    review_id    bigint not null references ledger.organisation_review,
    batch_id     text not null references ledger.batch,
    record_count bigint not null,
    primary key (review_id, batch_id)
);

-- Every decision, also those that a later one replaced; rows are only ever added.
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

create or replace view ledger.organisation_worklist as
    select r.review_id, r.source, r.alias_key, r.alias, r.first_seen_on, coalesce(b.record_count, 0) as record_count, r.candidates, r.state,
        r.organisation_id, r.decided_by, r.decided_at, r.why, r.batch_id
    from ledger.organisation_review r
    left join (select review_id, sum(record_count)::bigint as record_count from ledger.organisation_review_batch group by 1) b using (review_id);
