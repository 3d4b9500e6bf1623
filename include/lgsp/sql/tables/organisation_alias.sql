-- A spelling and what it means, as each source uses it.
select source_key as alias_key, source, alias, organisation_id, matched_by, first_seen_on, batch_id
from record.organisation_alias
where matched_by is not null
