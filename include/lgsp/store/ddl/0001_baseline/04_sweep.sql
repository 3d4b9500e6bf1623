-- Sweeps: the keys of a source, compared one by one with the keys in our records.

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
    missing_count  bigint not null default 0,  -- keys the source has and we had not: the windows missed them
    changed_count  bigint not null default 0,  -- keys of which the source has a newer version
    deleted_count  bigint not null default 0,  -- keys we had and the source no longer has
    batch_ids      text[] not null default '{}',  -- the batches that were read again, and those of the tombstones
    sample_keys    text[] not null default '{}'
);
create index if not exists sweep_source on ledger.sweep (source, started_at);

-- Records that a sweep read again, with any result: a record with nothing readable but its key is not requested again each time.
create table if not exists ledger.swept_record (
    source     text not null,
    list       text not null,
    source_key text not null,
    changed_at timestamptz not null,
    batch_id   text not null references ledger.batch,
    primary key (source, list, source_key)
);
