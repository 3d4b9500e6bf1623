-- All days on which the list was read, and those on which it was read for the first time. Needs the temporary table read_day.
select d.source, d.days + coalesce(r.days, '{}') as days, d.days - coalesce(r.days, '{}') as new_days
from (select source, range_agg(days) as days from read_day group by source) d
left join record.list_reading r on r.kind = '${kind}' and r.source = d.source
