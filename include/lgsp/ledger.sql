-- The ledger: what was asked, what came, what became of it. One row for each batch, call, check and publication.

create table if not exists ledger.batch (
    batch_id         text primary key,
    source           text not null,
    window_from      timestamptz not null,
    window_to        timestamptz not null check (window_to > window_from),
    -- what it was read for: a window of changes, what a sweep found deleted, or records driven again out of quarantine
    purpose          text not null default 'window' check (purpose in ('window', 'sweep', 'redrive')),
    state            text not null check (state in ('landing', 'failed', 'landed', 'harmonised', 'checked', 'refused', 'published')),
    why              text,
    rebuilt_from     text references ledger.batch,
    landing_path     text not null,
    declared_count   bigint not null default 0,
    gap_count        bigint not null default 0,  -- over its lists: how far what was read is from what was declared
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
    -- nothing is lost: every record that came is in exactly one place
    constraint conservation_checked check (
        state <> 'checked' or fetched_count = accepted_count + superseded_count + duplicate_count + quarantined_count + ignored_count),
    constraint conservation_published check (
        state <> 'published' or fetched_count = published_count + superseded_count + duplicate_count + quarantined_count + ignored_count)
);
create index if not exists batch_source_window on ledger.batch (source, window_from, window_to);
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

-- What every rule said: of a batch, or (with a snapshot_id instead) of the whole tables of a publication.
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
    sample_keys  text[] not null default '{}',  -- of some rows that failed; never a person's
    checked_at   timestamptz not null default now()
);
do $$ begin  -- of an older version; nothing is altered where nothing is to be, so nobody waits
    if exists (select from pg_constraint where conrelid = 'ledger.check_result'::regclass and contype = 'p') then
        alter table ledger.check_result drop constraint check_result_pkey;
        alter table ledger.check_result alter batch_id drop not null;
    end if;
end $$;
create unique index if not exists check_result_once on ledger.check_result (batch_id, snapshot_id, suite, rule_id) nulls not distinct;

-- A batch rule that was overruled for a window, by whom and why: the next batch of that window may pass it.
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

create table if not exists ledger.publication (
    snapshot_id   bigint primary key,
    published_at  timestamptz not null default now(),
    as_of         timestamptz,
    manifest_sha256 text not null,
    batch_count   integer not null,
    seconds       double precision,
    -- nothing is lost: what its batches brought, what of it was new, and what is known after it
    taken_count    bigint,
    inserted_count bigint,
    replaced_count bigint,
    record_count   bigint,
    dossier_record_count   bigint,  -- not deleted: each has its row in shared.dossier_source
    work_file_record_count bigint   -- not deleted: each has its row in shared.work_file
);

create table if not exists ledger.publication_table (
    snapshot_id  bigint not null references ledger.publication,
    table_name   text not null,
    row_count    bigint not null,
    content_hash numeric not null,
    data_hash    numeric not null,
    primary key (snapshot_id, table_name)
);

-- A publication whose counts do not add up cannot be committed, whoever makes it.
create or replace function ledger.publication_adds_up() returns trigger language plpgsql set search_path = pg_catalog as $$
declare
    brought bigint;
    known bigint;
    listed record;
begin
    if new.taken_count is null then
        return null;  -- of a version that did not count yet
    end if;
    select coalesce(sum(published_count), 0) into brought from ledger.batch where snapshot_id = new.snapshot_id;
    if new.taken_count <> brought or new.taken_count <> new.inserted_count + new.replaced_count then
        raise exception 'snapshot %: its batches brought % records, % were taken up: % new and % newer versions',
            new.snapshot_id, brought, new.taken_count, new.inserted_count, new.replaced_count using errcode = 'check_violation';
    end if;
    select record_count into known from ledger.publication where snapshot_id < new.snapshot_id order by snapshot_id desc limit 1;
    if not found then
        known := 0;
    end if;
    if known + new.inserted_count <> new.record_count then
        raise exception 'snapshot %: % records were known before and % are new, but % are known now',
            new.snapshot_id, known, new.inserted_count, new.record_count using errcode = 'check_violation';
    end if;
    for listed in
        select t.table_name, t.row_count, case t.table_name when 'dossier_source' then new.dossier_record_count else new.work_file_record_count end as expected
        from ledger.publication_table t where t.snapshot_id = new.snapshot_id and t.table_name in ('dossier_source', 'work_file')
    loop
        if listed.row_count <> listed.expected then
            raise exception 'snapshot %: % has % rows for % records that are not deleted',
                new.snapshot_id, listed.table_name, listed.row_count, listed.expected using errcode = 'check_violation';
        end if;
    end loop;
    return null;
end $$;
do $$ begin
    if not exists (select from pg_trigger where tgrelid = 'ledger.publication'::regclass and tgname = 'publication_adds_up') then
        create constraint trigger publication_adds_up after insert or update on ledger.publication
            deferrable initially deferred for each row execute function ledger.publication_adds_up();
    end if;
end $$;

-- Where every record is that was ever read: by source, over the batches that were published.
create or replace view ledger.conservation as
    select source, sum(fetched_count)::bigint as fetched_count, sum(published_count)::bigint as published_count,
        sum(superseded_count)::bigint as superseded_count, sum(duplicate_count)::bigint as duplicate_count,
        sum(quarantined_count)::bigint as quarantined_count, sum(ignored_count)::bigint as ignored_count,
        sum(fetched_count - published_count - superseded_count - duplicate_count - quarantined_count - ignored_count)::bigint as lost_count
    from ledger.batch where state = 'published' group by source;

-- The files of the newest snapshot: what its manifest lists, kept to know which months must be written again.
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
    shape        text,  -- of the columns it was written with
    primary key (table_name, part)
);

-- What was undone in the records of a batch, field by field: never what was said there.
create table if not exists ledger.repair (
    batch_id     text not null references ledger.batch,
    list         text not null,
    field        text not null,
    treatment    text not null,
    record_count bigint not null,
    primary key (batch_id, list, field, treatment)
);

-- What this store was made of: another version of the program upgrades it when it first meets it.
create table if not exists ledger.installation (
    made_of text not null,
    made_at timestamptz not null default now(),
    derived_by text  -- what derived the newest snapshot: another version derives every row again
);

create table if not exists ledger.request_budget (
    source       text primary key,
    next_free_at timestamptz not null
);

create or replace view shared.snapshot as
    select snapshot_id, published_at, as_of from ledger.publication;
comment on view shared.snapshot is 'Every published snapshot; the newest is what the tables show.';
