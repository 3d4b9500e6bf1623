-- The versions of the agencies that any list named. A row is current when it is in force on the last day for which both dossier feeds have
-- data. The successor of an agency is recorded from its day on, in its last version.
with source_reach as (
    select role, max(window_to) as until from ledger.batch join ledger.source using (source) where state in ('checked', 'published') group by source, role
), data_day as (
    select ((coalesce(min(until) filter (where role in ('one_stop', 'portal')), min(until))
        - interval '1 microsecond') at time zone 'Asia/Ho_Chi_Minh')::date as day_on
    from source_reach
)
select v.organisation_id, v.valid_from, v.code_old, v.code_new, v.name, v.level, v.kind, v.parent_id,
    v.admin_unit_code, v.valid_to,
    v.valid_from <= data_day.day_on and (v.valid_to is null or data_day.day_on < v.valid_to) as is_current,
    case when (v.valid_to is not null or v.succeeded_on <= data_day.day_on)
        and not exists (select from record.organisation_version later where later.organisation_id = v.organisation_id and later.valid_from > v.valid_from)
        then v.succeeded_by end as successor_id,
    v.batch_id
from record.organisation_version v cross join data_day
