-- The last day for which both dossier feeds have data; the day in which versions of reference lists are current. Empty before any window.
select ((coalesce(min(until) filter (where role in ('one_stop', 'portal')), min(until))
    - interval '1 microsecond') at time zone 'Asia/Ho_Chi_Minh')::date as day_on
from (
    select role, max(window_to) as until from ledger.batch join ledger.source using (source) where state in ('checked', 'published') group by source, role
) source_reach
