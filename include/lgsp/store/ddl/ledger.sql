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

-- One row for each snapshot, never changed but for what is known later: that its files or its row versions were retired.
create sequence if not exists ledger.publish_token;
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
    work_file_record_count bigint,  -- not deleted: each has its row in shared.work_file
    publish_id    uuid,    -- drawn before the commit: whoever lost its answer finds out by this whether it took place
    token         bigint,  -- the publisher's turn; the snapshot's folder bears it until the commit
    kind          text not null default 'publication' check (kind in ('publication', 'rollback')),
    restores      bigint references ledger.publication,  -- of a rollback: the snapshot it is equal to
    verdict       text not null default 'pass' check (verdict in ('pass', 'overruled')),
    overruled     jsonb,   -- by rule: by whom and why
    decided_by    text,    -- of a rollback: by whom
    why           text,    -- and why
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
    shape        text,  -- of the columns it was published with
    primary key (snapshot_id, table_name)
);

-- Whose signatures are believed.
create table if not exists ledger.signing_key (
    key_id     text primary key,
    public_key text not null,
    first_used_at timestamptz not null default now()
);

-- While a row has no end nothing is published: somebody went back to an older snapshot.
create table if not exists ledger.hold (
    since       timestamptz primary key default now(),
    decided_by  text not null,
    why         text not null,
    released_at timestamptz,
    released_by text
);
create unique index if not exists hold_once on ledger.hold ((released_at is null)) where released_at is null;

-- The rules that tables must keep before a snapshot that changes them can be published; from the contracts.
create table if not exists ledger.table_rule (
    rule_id    text primary key,
    table_name text not null,
    severity   text not null
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
    if new.kind = 'rollback' then  -- the records stay, the tables are those of the older snapshot, row by row
        for listed in
            select table_name, row_count, data_hash from ledger.publication_table where snapshot_id = new.snapshot_id
            except select table_name, row_count, data_hash from ledger.publication_table where snapshot_id = new.restores
        loop
            raise exception 'snapshot % restores snapshot %, but % differs', new.snapshot_id, new.restores, listed.table_name
                using errcode = 'check_violation';
        end loop;
        return null;
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

-- Only whoever has the turn can publish: a publisher that lost it is refused at its commit, whatever it believes.
create or replace function ledger.publication_in_turn() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    if new.token is distinct from (select last_value from ledger.publish_token where is_called) then
        raise exception 'snapshot %: its publisher lost its turn (% is not the newest)', new.snapshot_id, new.token using errcode = 'check_violation';
    end if;
    if not exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted
                   and classid = 0 and objid = 1464578 and objsubid = 1) then
        raise exception 'snapshot %: its publisher does not hold the lock', new.snapshot_id using errcode = 'check_violation';
    end if;
    return null;
end $$;

-- A snapshot that broke a rule cannot become current, whoever asks, unless somebody took that on by name.
create or replace function ledger.publication_is_judged() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare
    broken record;
begin
    for broken in
        select r.rule_id, c.is_passed, c.observed from ledger.table_rule r
        join ledger.publication_table t on t.table_name = r.table_name and t.snapshot_id = new.snapshot_id
        left join ledger.publication_table before on before.table_name = t.table_name and before.snapshot_id = new.snapshot_id - 1
        left join ledger.check_result c on c.batch_id is null and c.snapshot_id = new.snapshot_id and c.rule_id = r.rule_id
        where c.rule_id is null and (t.row_count, t.content_hash) <> (coalesce(before.row_count, 0), coalesce(before.content_hash, 0))
        union
        select rule_id, is_passed, observed from ledger.check_result
        where batch_id is null and snapshot_id = new.snapshot_id and not is_passed and severity in ('blocker', 'error')
    loop
        if broken.is_passed is null then
            raise exception 'snapshot %: nobody asked rule %', new.snapshot_id, broken.rule_id using errcode = 'check_violation';
        end if;
        if new.verdict <> 'overruled' or coalesce(new.overruled #>> array[broken.rule_id, 'by'], '') = ''
                or coalesce(new.overruled #>> array[broken.rule_id, 'why'], '') = '' then
            raise exception 'snapshot %: rule % is broken (%) and nobody overruled it', new.snapshot_id, broken.rule_id, broken.observed
                using errcode = 'check_violation';
        end if;
    end loop;
    return null;
end $$;

-- Numbers and times of snapshots only grow, without a gap; what was published is not said otherwise afterwards.
create or replace function ledger.publication_follows() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare
    newest record;
    later text[] := array['taken_count', 'inserted_count', 'replaced_count', 'record_count', 'dossier_record_count', 'work_file_record_count',
        'files_retired_at', 'history_retired_at'];
begin
    select snapshot_id, published_at into newest from ledger.publication order by snapshot_id desc limit 1;
    if tg_op = 'INSERT' then
        if new.snapshot_id <> coalesce(newest.snapshot_id, 0) + 1 or new.published_at <= newest.published_at then
            raise exception 'snapshot % of % does not follow snapshot % of %', new.snapshot_id, new.published_at, newest.snapshot_id, newest.published_at
                using errcode = 'check_violation';
        end if;
        if new.verdict not in ('pass', 'overruled') or (new.kind = 'rollback') <> (new.restores is not null) then
            raise exception 'snapshot %: verdict % and kind % say nothing known', new.snapshot_id, new.verdict, new.kind using errcode = 'check_violation';
        end if;
        return new;
    end if;
    if tg_op = 'DELETE' or to_jsonb(new) - later <> to_jsonb(old) - later then
        raise exception 'snapshot % was published: it can be followed by another, not altered', old.snapshot_id using errcode = 'check_violation';
    end if;
    if new.snapshot_id = newest.snapshot_id and (new.files_retired_at is not null or new.history_retired_at is not null) then
        raise exception 'snapshot % is current: it cannot be retired', new.snapshot_id using errcode = 'check_violation';
    end if;
    return new;
end $$;

-- Only what passed its check is published.
create or replace function ledger.batch_was_checked() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    if new.state = 'published' and old.state not in ('checked', 'published') then
        raise exception 'batch % is %, not checked: it cannot be published', new.batch_id, old.state using errcode = 'check_violation';
    end if;
    return new;
end $$;

do $$ begin
    if not exists (select from pg_trigger where tgrelid = 'ledger.publication'::regclass and tgname = 'publication_in_turn') then
        create constraint trigger publication_in_turn after insert on ledger.publication
            deferrable initially deferred for each row execute function ledger.publication_in_turn();
        create constraint trigger publication_is_judged after insert on ledger.publication
            deferrable initially deferred for each row execute function ledger.publication_is_judged();
        create trigger publication_follows before insert or update or delete on ledger.publication
            for each row execute function ledger.publication_follows();
        create trigger batch_was_checked before update of state on ledger.batch
            for each row execute function ledger.batch_was_checked();
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
    select snapshot_id, published_at, as_of, kind, restores, verdict, overruled, manifest_sha256, signing_key, files_retired_at, history_retired_at
    from ledger.publication;
comment on view shared.snapshot is 'Every published snapshot; the newest is what the tables show.';
