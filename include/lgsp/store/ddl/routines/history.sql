-- Which snapshot was the newest at a given time, and whether its history is retained.
-- Readers have no rights on the ledger, so these functions read it with the owner's rights.

create or replace function history.snapshot_at(at timestamptz) returns bigint
    language sql stable strict parallel safe security definer set search_path = pg_catalog, pg_temp
    begin atomic
        select coalesce(max(p.snapshot_id), 0) from ledger.publication p where p.published_at <= at;
    end;
comment on function history.snapshot_at(timestamptz) is
    'The newest snapshot published at or before a time; 0, an empty snapshot, before the first (Lần công bố mới nhất tính đến một thời điểm)';

-- A text, a date or a time without an offset is local time, whatever the zone of the session is.
create or replace function history.snapshot_at(at text) returns bigint
    language sql stable strict parallel safe set timezone = 'Asia/Ho_Chi_Minh' set datestyle = 'ISO, DMY' set search_path = pg_catalog, pg_temp
    begin atomic
        select history.snapshot_at(at::timestamptz);
    end;
comment on function history.snapshot_at(text) is
    'The newest snapshot published at or before a time; without an offset it is local time, a date is its local midnight (Lần công bố mới nhất tính đến một thời điểm, theo giờ Việt Nam)';

create or replace function history.snapshot_at(at timestamp) returns bigint
    language sql stable strict parallel safe set search_path = pg_catalog, pg_temp
    begin atomic
        select history.snapshot_at(at at time zone 'Asia/Ho_Chi_Minh');
    end;
comment on function history.snapshot_at(timestamp) is
    'The newest snapshot published at or before a local time (Lần công bố mới nhất tính đến một thời điểm, theo giờ Việt Nam)';

create or replace function history.snapshot_at(at date) returns bigint
    language sql stable strict parallel safe set search_path = pg_catalog, pg_temp
    begin atomic
        select history.snapshot_at(at::timestamp);
    end;
comment on function history.snapshot_at(date) is
    'The newest snapshot published at or before the local midnight that begins a day (Lần công bố mới nhất tính đến đầu ngày, theo giờ Việt Nam)';

create or replace function history.held(snapshot bigint) returns boolean
    language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
declare
    known record;
    oldest bigint;
    latest bigint;
begin
    if snapshot = 0 then
        return true;  -- before the first publication the tables were empty
    end if;
    select p.history_retired_at as retired_at into known from ledger.publication p where p.snapshot_id = snapshot;
    if not found then
        if snapshot < (select max(e.first_snapshot) from ledger.epoch e) then
            select max(p.snapshot_id) into latest from ledger.publication p;
            raise exception 'snapshot % was published in an earlier epoch, and lost with its database', snapshot
                using errcode = 'object_not_in_prerequisite_state',
                hint = format('load all rows of snapshot %s once (history.<table>_as_of), then ask for the changes since it', latest);
        end if;
        raise exception 'snapshot % was never published', coalesce(snapshot::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'shared.snapshot lists those that were';
    end if;
    if known.retired_at is not null then
        select min(p.snapshot_id) into oldest from ledger.publication p where p.history_retired_at is null;
        raise exception 'the history of snapshot % was retired on %', snapshot, (known.retired_at at time zone 'Asia/Ho_Chi_Minh')::date
            using errcode = 'object_not_in_prerequisite_state', hint = format('the oldest snapshot with history is %s', oldest);
    end if;
    return true;
end $$;
comment on function history.held(bigint) is
    'True while the history of a snapshot is retained; raises an error when it was never published or its history was retired (Lịch sử của lần công bố còn được lưu giữ hay không)';

create or replace function history.held(since bigint, until bigint) returns boolean
    language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
    if until < since then
        raise exception 'changes are only available forward, not from snapshot % back to %', since, until
            using errcode = 'invalid_parameter_value', hint = 'name the older snapshot first';
    end if;
    return history.held(since) and (until is null or history.held(until));
end $$;
comment on function history.held(bigint, bigint) is
    'The same for both ends of a change feed; a null end is the newest snapshot (Lịch sử giữa hai lần công bố còn được lưu giữ hay không)';
