-- The ledger: one row for each batch, source call, check and publication, with their states and counts.

create table if not exists ledger.batch (
    batch_id         text primary key,
    source           text not null,
    window_from      timestamptz not null,
    window_to        timestamptz not null check (window_to > window_from),
    -- why it was read: the changes of a window, records that a sweep found deleted, or records redriven from quarantine
    purpose          text not null default 'window' check (purpose in ('window', 'sweep', 'redrive')),
    state            text not null check (state in ('landing', 'failed', 'landed', 'harmonised', 'checked', 'refused', 'published')),
    why              text,
    rebuilt_from     text references ledger.batch,
    landing_path     text not null,
    declared_count   bigint not null default 0,
    gap_count        bigint not null default 0,  -- over its lists: the difference between the records read and declared
    fetched_count    bigint not null default 0,
    duplicate_count  bigint not null default 0,
    quarantined_count bigint not null default 0,
    ignored_count    bigint not null default 0,
    accepted_count   bigint not null default 0,
    superseded_count bigint not null default 0,
    published_count  bigint not null default 0,
    snapshot_id      bigint,
    created_at       timestamptz not null default now(),
    landed_at        timestamptz,
    harmonised_at    timestamptz,
    checked_at       timestamptz,
    published_at     timestamptz,
    schema_drift     jsonb not null default '[]',
    -- every fetched record is counted in exactly one place
    constraint conservation_checked check (
        state <> 'checked' or fetched_count = accepted_count + superseded_count + duplicate_count + quarantined_count + ignored_count),
    constraint conservation_published check (
        state <> 'published' or fetched_count = published_count + superseded_count + duplicate_count + quarantined_count + ignored_count)
);
create index if not exists batch_source_window on ledger.batch (source, window_from, window_to);
create index if not exists batch_of_snapshot on ledger.batch (snapshot_id);
create index if not exists batch_to_publish on ledger.batch (state) where state = 'checked';
create sequence if not exists ledger.batch_number;

create table if not exists ledger.source_call (
    batch_id   text not null references ledger.batch,
    number     integer not null,
    list       text not null,
    request    text not null,
    status     integer not null,
    is_whole   boolean not null,
    records    integer not null,
    bytes      bigint not null,
    sha256     text not null,
    seconds    double precision not null,
    primary key (batch_id, number)
);

-- The result of every rule: for a batch, or (with a snapshot_id instead) for the tables of a publication.
create table if not exists ledger.check_result (
    batch_id     text references ledger.batch,
    snapshot_id  bigint,
    rule_id      text not null,
    suite        text not null,
    severity     text not null,
    checked_count bigint not null,
    failed_count  bigint not null,
    is_passed    boolean not null,
    observed     text,
    meaning      text not null,
    rule_version text not null,
    sample_keys  text[] not null default '{}',  -- keys of some rows that failed; never personal data
    checked_at   timestamptz not null default now()
);
create unique index if not exists check_result_once on ledger.check_result (batch_id, snapshot_id, suite, rule_id) nulls not distinct;

-- A batch rule overruled for a window, with the person's name and a reason: the next batch of that window passes it.
create table if not exists ledger.override (
    source      text not null,
    window_from timestamptz not null,
    window_to   timestamptz not null,
    rule_id     text not null,
    decided_by  text not null,
    why         text not null,
    decided_at  timestamptz not null default now(),
    primary key (source, window_from, window_to, rule_id)
);

-- One row for each snapshot. It is not changed later, except to record that its files or its row versions were retired.
create sequence if not exists ledger.publish_token;
create table if not exists ledger.publication (
    snapshot_id   bigint primary key,
    published_at  timestamptz not null default now(),
    as_of         timestamptz,
    manifest_sha256 text not null,
    batch_count   integer not null,
    seconds       double precision,
    -- the records of its batches, how many of them were new, and the total after it
    taken_count    bigint,
    inserted_count bigint,
    replaced_count bigint,
    record_count   bigint,
    dossier_record_count   bigint,  -- records not deleted: each has a row in shared.dossier_source
    work_file_record_count bigint,  -- records not deleted: each has a row in shared.work_file
    publish_id    uuid,    -- generated before the commit: a publisher that got no answer to the commit looks it up to find out whether it took place
    token         bigint,  -- the fencing token of its publish session; part of the name of the snapshot's folder until the commit
    kind          text not null default 'publication' check (kind in ('publication', 'rollback')),
    restores      bigint references ledger.publication,  -- for a rollback: the snapshot whose tables it restores
    verdict       text not null default 'pass' check (verdict in ('pass', 'overruled')),
    overruled     jsonb,   -- by rule: the person's name (by) and the reason (why)
    decided_by    text,    -- for a rollback: the person who decided it
    why           text,    -- for a rollback: the reason
    signing_key   text,    -- the key its manifest is signed with
    files_retired_at   timestamptz,
    history_retired_at timestamptz
);
create unique index if not exists publication_once on ledger.publication (publish_id);

create table if not exists ledger.publication_table (
    snapshot_id  bigint not null references ledger.publication,
    table_name   text not null,
    row_count    bigint not null,
    content_hash numeric not null,
    data_hash    numeric not null,
    shape        text,  -- fingerprint of the columns it was published with
    primary key (snapshot_id, table_name)
);

-- The public keys whose signatures are accepted.
create table if not exists ledger.signing_key (
    key_id     text primary key,
    public_key text not null,
    first_used_at timestamptz not null default now()
);

-- Holds on publishing: while a row has no `released_at` nothing is published. A rollback creates one.
create table if not exists ledger.hold (
    since       timestamptz primary key default now(),
    decided_by  text not null,
    why         text not null,
    released_at timestamptz,
    released_by text
);
create unique index if not exists hold_once on ledger.hold ((released_at is null)) where released_at is null;

-- The rules that tables must pass before a snapshot that changes them can be published; from the contracts.
create table if not exists ledger.table_rule (
    rule_id    text primary key,
    table_name text not null,
    severity   text not null
);

-- The files of the newest snapshot as in its manifest; the next publication reuses those whose months did not change.
create table if not exists ledger.publication_file (
    table_name   text not null,
    part         text not null,
    path         text not null,
    row_count    bigint not null,
    content_hash numeric not null,
    data_hash    numeric not null,
    bytes        bigint not null,
    sha256       text not null,
    snapshot_id  bigint not null references ledger.publication,
    shape        text,  -- fingerprint of the columns it was written with
    primary key (table_name, part)
);

-- The repairs in the records of a batch, by field; never the values.
create table if not exists ledger.repair (
    batch_id     text not null references ledger.batch,
    list         text not null,
    field        text not null,
    treatment    text not null,
    record_count bigint not null,
    primary key (batch_id, list, field, treatment)
);

-- The version that created or last upgraded this store (a hash): another version upgrades it at its first run.
create table if not exists ledger.installation (
    made_of text not null,
    made_at timestamptz not null default now(),
    derived_by text  -- the version that derived the newest snapshot: another version derives every row again
);

create table if not exists ledger.request_budget (
    source       text primary key,
    next_free_at timestamptz not null
);
