-- Agencies from the first source that lists them (the one-stop-shop, then the portal, then the document system), one row for each
-- territory they served; an agency without a list of versions has one row. A row is current when it is in force on the last day for
-- which both dossier feeds have data.
with listed as (
    select distinct on (organisation_id) o.* from record.organisation o join ledger.source using (source) order by organisation_id, precedence
), version as (
    select l.*, v.valid_from, v.valid_to, v.admin_unit_code as territory_code, v.heir_code
    from listed l, jsonb_to_recordset(coalesce(nullif(l.versions::jsonb, '[]'),
            jsonb_build_array(jsonb_build_object('valid_from', '2016-04-01', 'admin_unit_code', l.admin_unit_code))))
        as v(valid_from date, valid_to date, admin_unit_code text, heir_code text)
), source_reach as (
    select role, max(window_to) as until from ledger.batch join ledger.source using (source) where state in ('checked', 'published') group by source, role
), data_day as (
    select ((coalesce(min(until) filter (where role in ('one_stop', 'portal')), min(until))
        - interval '1 microsecond') at time zone 'Asia/Ho_Chi_Minh')::date as day_on
    from source_reach
)
select v.organisation_id, v.valid_from, v.code_old, v.code_new, v.name, v.level, v.kind, v.parent_id,
    v.territory_code as admin_unit_code, v.valid_to,
    v.valid_from <= data_day.day_on and (v.valid_to is null or data_day.day_on < v.valid_to) as is_current,
    case when v.kind = 'peoples_committee' then (
        select min(heir.organisation_id) from version heir
        where heir.kind = 'peoples_committee' and heir.territory_code = v.heir_code and heir.organisation_id <> v.organisation_id
            and heir.valid_from <= v.valid_to and (heir.valid_to is null or v.valid_to < heir.valid_to)
    ) end as successor_id,
    v.batch_id
from version v cross join data_day
