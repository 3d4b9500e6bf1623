-- The versions of the agencies that any list named. A row is current when it is in force on the last day for which both dossier feeds have
-- data. The successor of an agency is recorded from its day on, in its last version. Needs the temporary table name_key.
with data_day as (
    ${data_day}
)
select v.organisation_id, v.valid_from, v.code_old, v.code_new, v.name, v.level, v.kind, v.parent_id,
    v.admin_unit_code, v.valid_to,
    v.valid_from <= data_day.day_on and (v.valid_to is null or data_day.day_on < v.valid_to) as is_current,
    case when (v.valid_to is not null or v.succeeded_on <= data_day.day_on)
        and not exists (select from record.organisation_version later where later.organisation_id = v.organisation_id and later.valid_from > v.valid_from)
        then v.succeeded_by end as successor_id,
    k.name_sort, k.name_search, v.batch_id
from record.organisation_version v join name_key k using (name) cross join data_day
