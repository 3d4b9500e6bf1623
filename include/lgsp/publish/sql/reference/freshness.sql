-- The time up to which each source was read and published, and the number of spans before it that were not read.
-- The windows before the first one with records do not count: reading a time from before the source existed leaves no gap.
-- `batches` are the ids of the batches of this publication, separated by spaces.
select source, lower(span.covered) as covered_from, upper(span.covered) as covered_until,
    greatest((select count(*) from unnest(span.covered)) - 1, 0)::integer as gap_count, span.batch_id
from ledger.source left join (
    select source, range_agg(tstzrange(window_from, window_to))
            * tstzmultirange(tstzrange(coalesce(min(window_from) filter (where fetched_count > 0), '-infinity'), null)) as covered,
        (array_agg(batch_id order by window_to desc, right(batch_id, 6) desc))[1] as batch_id
    from ledger.batch
    where purpose = 'window' and (state = 'published' or batch_id = any(string_to_array('${batches}', ' ')))
    group by source
) span using (source)
