-- Makes `feed`: the days that the published windows of each source cover, and the newest covered day of any source.
-- The windows before the first one with records do not count: nothing is known of agencies before their source had records.
-- $1: the ids of the batches of this publication, separated by spaces.
create temporary table feed on commit drop as
with span as (
    select source, unnest(range_agg(tstzrange(window_from, window_to))
        * tstzmultirange(tstzrange(min(window_from) filter (where fetched_count > 0), null))) as covered
    from ledger.batch
    where purpose = 'window' and (state = 'published' or batch_id = any(string_to_array($1, ' ')))
    group by source having max(fetched_count) > 0
), whole as (
    select source, ((lower(covered) at time zone 'Asia/Ho_Chi_Minh') - interval '1 microsecond')::date + 1 as first_on,
        (upper(covered) at time zone 'Asia/Ho_Chi_Minh')::date as until_on
    from span
)
select source, range_agg(daterange(first_on, until_on)) as covered, max(max(until_on)) over () - 1 as newest_on
from whole where first_on < until_on group by source
