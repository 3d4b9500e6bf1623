-- A spelling and what it means, as each source uses it.
-- A spelling that means two agencies means none.
select alias_key, source, min(alias collate "C") as alias, min(organisation_id) as organisation_id, min(matched_by) as matched_by,
    min(first_seen_on) as first_seen_on, max(batch_id) as batch_id
from record.organisation_alias
where matched_by is not null
group by alias_key, source having count(distinct organisation_id) = 1
