-- Sweeps: what a source has, compared key by key with what is known of it.

create table if not exists ledger.sweep (
    sweep_id       bigint generated always as identity primary key,
    source         text not null,
    list           text not null,
    range_from     timestamptz not null,
    range_to       timestamptz not null,
    started_at     timestamptz not null default now(),
    ended_at       timestamptz,
    state          text not null check (state in ('running', 'done', 'stopped', 'failed')),
    why            text,
    compared_count bigint not null default 0,  -- keys the source has in the range
    missing_count  bigint not null default 0,  -- the source has, we had not: the windows missed them
    changed_count  bigint not null default 0,  -- the source has a newer version than we had
    deleted_count  bigint not null default 0,  -- we had, the source has not any more
    batch_ids      text[] not null default '{}',  -- what was read again, and the tombstones
    sample_keys    text[] not null default '{}'
);
create index if not exists sweep_source on ledger.sweep (source, started_at);

-- What a sweep read again, whatever came of it: a record that is damaged beyond its key is not asked for for ever.
create table if not exists ledger.swept_record (
    source     text not null,
    list       text not null,
    source_key text not null,
    changed_at timestamptz not null,
    batch_id   text not null references ledger.batch,
    primary key (source, list, source_key)
);
