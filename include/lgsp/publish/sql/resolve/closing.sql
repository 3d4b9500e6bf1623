-- The first change in which each incoming record was seen withdrawn or refused, where no version reports the day.
with seen as (
    select source, source_key, status, closed_at from incoming_dossier where closed_at_basis = 'change' and closed_at is not null
)
select source, source_key, status, min(closed_at) as closed_at
from (
    select source, source_key, status, closed_at from seen
    union all
    select c.source, c.source_key, c.status, c.closed_at from record.dossier_closing c where (c.source, c.source_key) in (select source, source_key from seen)
) versions
group by source, source_key, status
