-- A publication whose counts do not add up cannot be committed by any database user.
create or replace function ledger.publication_adds_up() returns trigger language plpgsql set search_path = pg_catalog as $$
declare
    brought bigint;
    known bigint;
    listed record;
begin
    if new.taken_count is null then
        return null;  -- published by a version that had no counts yet
    end if;
    if new.kind = 'rollback' then  -- the records stay; the tables must equal those of the older snapshot
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
        raise exception 'snapshot %: its batches brought % records, % were merged: % new and % newer versions',
            new.snapshot_id, brought, new.taken_count, new.inserted_count, new.replaced_count using errcode = 'check_violation';
    end if;
    select record_count into known from ledger.publication where snapshot_id < new.snapshot_id order by snapshot_id desc limit 1;
    if not found then
        known := 0;
    end if;
    if known + new.inserted_count - new.removed_count <> new.record_count then
        raise exception 'snapshot %: % records were known before, % are new and % were removed, but % are known now',
            new.snapshot_id, known, new.inserted_count, new.removed_count, new.record_count using errcode = 'check_violation';
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

-- Only the publisher with the publish lock and the newest token can publish: any other is refused at its commit.
create or replace function ledger.publication_in_turn() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    if new.token is distinct from (select last_value from ledger.publish_token where is_called) then
        raise exception 'snapshot %: its publisher lost the publish lock (token % is not the newest)', new.snapshot_id, new.token using errcode = 'check_violation';
    end if;
    if not exists (select from pg_locks where relation = 'ledger.publish_lock'::regclass and pid = pg_backend_pid() and granted
                   and mode in ('ExclusiveLock', 'AccessExclusiveLock')) then
        raise exception 'snapshot %: its publisher does not hold the publish lock', new.snapshot_id using errcode = 'check_violation';
    end if;
    return null;
end $$;

-- A snapshot that broke a rule cannot become current unless the rule was overruled with a person's name and a reason.
create or replace function ledger.publication_is_judged() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare
    broken record;
begin
    for broken in
        select r.rule_id, c.is_passed, c.observed from ledger.table_rule r
        join ledger.publication_table t on t.table_name = r.table_name and t.snapshot_id = new.snapshot_id
        left join ledger.publication_table before on before.table_name = t.table_name
            and before.snapshot_id = (select max(p.snapshot_id) from ledger.publication p where p.snapshot_id < new.snapshot_id)
        left join ledger.check_result c on c.batch_id is null and c.snapshot_id = new.snapshot_id and c.rule_id = r.rule_id
        where c.rule_id is null and (t.row_count, t.content_hash) <> (coalesce(before.row_count, 0), coalesce(before.content_hash, 0))
        union
        select rule_id, is_passed, observed from ledger.check_result
        where batch_id is null and snapshot_id = new.snapshot_id and not is_passed and severity in ('blocker', 'error')
    loop
        if broken.is_passed is null then
            raise exception 'snapshot %: rule % was not evaluated', new.snapshot_id, broken.rule_id using errcode = 'check_violation';
        end if;
        if new.verdict <> 'overruled' or coalesce(new.overruled #>> array[broken.rule_id, 'by'], '') = ''
                or coalesce(new.overruled #>> array[broken.rule_id, 'why'], '') = '' then
            raise exception 'snapshot %: rule % is broken (%) and was not overruled', new.snapshot_id, broken.rule_id, broken.observed
                using errcode = 'check_violation';
        end if;
    end loop;
    return null;
end $$;

-- Snapshot numbers grow by one within an epoch, and their times only grow; a published row is not altered afterwards.
create or replace function ledger.publication_follows() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare
    newest record;
    following bigint;
    later text[] := array['taken_count', 'inserted_count', 'replaced_count', 'removed_count', 'record_count', 'dossier_record_count', 'work_file_record_count',
        'files_retired_at', 'history_retired_at'];
begin
    select snapshot_id, published_at into newest from ledger.publication order by snapshot_id desc limit 1;
    if tg_op = 'INSERT' then
        select greatest(coalesce(newest.snapshot_id, 0) + 1, max(first_snapshot)) into following from ledger.epoch;
        if new.snapshot_id <> following or new.published_at <= newest.published_at then
            raise exception 'snapshot % of % does not follow snapshot % of %', new.snapshot_id, new.published_at, newest.snapshot_id, newest.published_at
                using errcode = 'check_violation';
        end if;
        if new.verdict not in ('pass', 'overruled') or (new.kind = 'rollback') <> (new.restores is not null) then
            raise exception 'snapshot %: unknown combination of verdict % and kind %', new.snapshot_id, new.verdict, new.kind using errcode = 'check_violation';
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

-- Only a checked batch can be published.
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

-- By source, over the published batches: where every fetched record is. `lost_count` must be 0.
create or replace view ledger.conservation as
    select source, sum(fetched_count)::bigint as fetched_count, sum(published_count)::bigint as published_count,
        sum(superseded_count)::bigint as superseded_count, sum(duplicate_count)::bigint as duplicate_count,
        sum(quarantined_count)::bigint as quarantined_count, sum(ignored_count)::bigint as ignored_count,
        sum(fetched_count - published_count - superseded_count - duplicate_count - quarantined_count - ignored_count)::bigint as lost_count
    from ledger.batch where state = 'published' group by source;

create or replace view shared.snapshot as
    select snapshot_id, published_at, as_of, kind, restores, verdict, overruled, manifest_sha256, signing_key, files_retired_at, history_retired_at,
        (select max(epoch) from ledger.epoch where first_snapshot <= snapshot_id) as epoch
    from ledger.publication;
comment on view shared.snapshot is 'All published snapshots; the shared tables show the newest (Các lần công bố; các bảng của shared thuộc lần mới nhất)';
comment on column shared.snapshot.snapshot_id is 'Number of the publication (Lần công bố)';
comment on column shared.snapshot.published_at is 'When it was published (Thời điểm công bố)';
comment on column shared.snapshot.as_of is 'Time up to which the sources of the dossiers were read (Số liệu tính đến)';
comment on column shared.snapshot.kind is 'publication, or rollback to an earlier snapshot (Loại: công bố hoặc quay lại lần trước)';
comment on column shared.snapshot.restores is 'For a rollback: the snapshot whose tables it restores (Lần công bố được khôi phục)';
comment on column shared.snapshot.verdict is 'pass, or overruled when it broke a rule that a person overruled (Kết quả kiểm tra)';
comment on column shared.snapshot.overruled is 'The overruled rules, each with the person and the reason (Các quy tắc được bỏ qua, người quyết định và lý do)';
comment on column shared.snapshot.manifest_sha256 is 'SHA-256 of the manifest of its files (Mã băm của bản kê khai)';
comment on column shared.snapshot.signing_key is 'Id of the key that signed the manifest (Khóa ký)';
comment on column shared.snapshot.files_retired_at is 'When its files were deleted; empty while they exist (Thời điểm xóa tệp)';
comment on column shared.snapshot.history_retired_at is 'When its row versions were deleted from history; empty while they exist (Thời điểm xóa lịch sử)';
comment on column shared.snapshot.epoch is 'Epoch of the store: a restored store begins a new one (Kỷ nguyên của kho dữ liệu)';
