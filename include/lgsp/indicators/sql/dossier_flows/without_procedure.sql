-- The difference, by agency and day, between the stored sums and the records in quarantine and the feeds without data for the day.
-- Needs the temporary table quarantined_record.
select organisation_id, day_on, sum(held)::integer as held, sum(doubted)::integer as doubted
from (
    select coalesce(organisation_id, 'UNKNOWN') as organisation_id, occurred_on as day_on, 1 as held, 0 as doubted from quarantined_record where occurred_on is not null
    union all
    select organisation_id, day_on, 0, 1 from ledger.completeness
    where state in ('missing', 'late') and source in (select source from ledger.source where role in ('one_stop', 'portal'))
    union all
    select organisation_id, since_on, -held, -doubted from record.movement where service_code = '' and span = 'day'
) difference
group by organisation_id, day_on having sum(held) <> 0 or sum(doubted) <> 0
