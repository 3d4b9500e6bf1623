-- The contents of the rows of a list that changed or were absent at some reading, each with the days without it.
select k.source, k.source_key, k.content_hash, lower(d) as absent_from, upper(d) as absent_until
from record.${kind} k
left join record.list_absence a on (a.kind, a.source, a.source_key, a.content_hash) = ('${kind}', k.source, k.source_key, k.content_hash)
left join unnest(a.days) as d on true
where (k.source, k.source_key) in (
    select source, source_key from record.list_absence where kind = '${kind}'
    union select source, source_key from record.${kind} group by source, source_key having count(*) > 1
)
order by k.source collate "C", k.source_key collate "C", k.content_hash collate "C", 4
