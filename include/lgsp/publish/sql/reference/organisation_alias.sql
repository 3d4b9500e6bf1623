-- The spellings of agencies by source, with the agency that each means. A spelling that means two agencies is left out. A match by a
-- listed alias or a decision is valid until a later batch matches the spelling differently.
with ranked as (
    select *, coalesce(matched_by in ('code', 'exact'), false) as is_permanent,
        row_number() over (partition by alias_key, source, coalesce(matched_by in ('code', 'exact'), false) order by right(batch_id, 6) desc) as age
    from record.organisation_alias
)
select alias_key, source, min(alias collate "C") as alias, min(organisation_id) as organisation_id, min(matched_by) as matched_by,
    min(first_seen_on) as first_seen_on, max(batch_id) as batch_id
from ranked
where matched_by is not null and (is_permanent or age = 1)
group by alias_key, source having count(distinct organisation_id) = 1
