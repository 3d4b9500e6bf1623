-- Spellings that no list explained when they were read, by the lists that are known now.
update record.organisation_alias a set organisation_id = r.organisation_id, matched_by = r.matched_by
from (
    select w.source, w.source_key, coalesce(k.organisation_id, m.organisation_id) as organisation_id,
        case when k.organisation_id is not null then 'code' else m.matched_by end as matched_by
    from record.organisation_alias w
    left join known_agency k on k.organisation_id = w.code
    left join agency_meaning m on (m.source, m.name, m.on_day) = (w.source, w.alias_key, coalesce(w.first_seen_on, date '2016-04-01')) and k.organisation_id is null
    where w.organisation_id is null and coalesce(k.organisation_id, m.organisation_id) is not null
) r where (a.source, a.source_key) = (r.source, r.source_key)
