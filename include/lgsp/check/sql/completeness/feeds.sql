-- What the published windows cover of each source, and the newest day that any of them does. $1: batches published just now.
create temporary table feed on commit drop as
with span as (
    select source, unnest(range_agg(tstzrange(window_from, window_to))) as told from ledger.batch
    where purpose = 'window' and (state = 'published' or batch_id = any(string_to_array($1, ' ')))
    group by source
), whole as (
    select source, ((lower(told) at time zone 'Asia/Ho_Chi_Minh') - interval '1 microsecond')::date + 1 as first_on,
        (upper(told) at time zone 'Asia/Ho_Chi_Minh')::date as until_on
    from span
)
select source, range_agg(daterange(first_on, until_on)) as covered, max(max(until_on)) over () - 1 as newest_on
from whole where first_on < until_on group by source
