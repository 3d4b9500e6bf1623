-- Quarantined rows, one for each record version and broken rule, with what was decided about them; and trial records.

create table if not exists ledger.quarantine (
    quarantine_id     bigint generated always as identity primary key,
    source            text not null,
    source_key        text not null,
    kind              text not null,
    rule_id           text not null,
    rule_version      text not null,
    reason            text not null,
    raw_pointer       text not null,
    record_hash       text not null,
    source_updated_at timestamptz,
    organisation_id   text,
    occurred_on       date,
    batch_id          text not null references ledger.batch,
    state             text not null default 'open' check (state in ('open', 'redriven', 'corrected', 'accepted', 'discarded')),
    state_reason      text,
    state_by          text,
    state_at          timestamptz,
    redriven_in       text references ledger.batch,  -- the batch that last redrove it
    created_at        timestamptz not null default now(),
    unique (source, kind, source_key, record_hash, rule_id)
);
create index if not exists quarantine_batch on ledger.quarantine (batch_id);
create index if not exists quarantine_open on ledger.quarantine (rule_id) where state = 'open';

-- The records of a batch of purpose `redrive`: picked from one landing folder, by response and position in it.
create table if not exists ledger.redriven_record (
    batch_id     text not null references ledger.batch,
    raw_pointer  text not null,  -- at the time it was picked
    kind         text not null,
    source_key   text not null,
    record_hash  text not null,
    primary key (batch_id, raw_pointer)
);

-- Trial records by key: they are not published, but a sweep must not report them as missing.
create table if not exists ledger.ignored_record (
    source            text not null,
    kind              text not null,
    source_key        text not null,
    source_updated_at timestamptz not null,
    batch_id          text not null references ledger.batch,
    primary key (source, kind, source_key)
);
