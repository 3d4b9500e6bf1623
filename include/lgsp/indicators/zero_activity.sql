-- Who received nothing: silence only where both dossier feeds cover the whole period and nothing of the agency is missing or late, else `no_data`.
-- Needs temporary tables clock (as_of, threshold, covered) and period (period, period_start, period_end).
with received as (
    select receiving_organisation_id as organisation_id, received_on as day_on, count(*) as any_count,
        count(*) filter (where channel = 'online') as online_count
    from shared.dossier where received_on is not null group by 1, 2
), counted as (
    select organisation_id, period, period_start, sum(any_count)::bigint as any_count, sum(online_count)::bigint as online_count
    from received join period on day_on >= period_start and day_on < period_end
    group by 1, 2, 3
), doubted as (
    select distinct organisation_id, period, period_start
    from ledger.completeness join period on day_on >= period_start and day_on < period_end
    where state in ('missing', 'late') and source in ('one_stop_shop', 'online_services')
)
select p.organisation_id, p.period, p.period_start, c.channel, n.dossier_count, clock.threshold,
    case
        when not clock.covered @> tstzrange(p.period_start::timestamp at time zone 'Asia/Ho_Chi_Minh', p.period_end::timestamp at time zone 'Asia/Ho_Chi_Minh')
            or d.organisation_id is not null then 'no_data'
        when n.dossier_count = 0 then 'zero'
        when n.dossier_count <= clock.threshold then 'low'
        else 'ok'
    end as state,
    '1.0' as definition_version,
    least(clock.as_of, p.period_end::timestamp at time zone 'Asia/Ho_Chi_Minh') as as_of, null::text as batch_id
from (
    -- an agency is asked about a period when it was in force on one of its days
    select distinct o.organisation_id, p.period, p.period_start, p.period_end
    from shared.organisation o join period p on o.valid_from < p.period_end and (o.valid_to is null or o.valid_to > p.period_start)
) p
cross join (values ('any'), ('online')) as c(channel)
left join counted on counted.organisation_id = p.organisation_id and counted.period = p.period and counted.period_start = p.period_start
left join doubted d on d.organisation_id = p.organisation_id and d.period = p.period and d.period_start = p.period_start
cross join lateral (select coalesce(case c.channel when 'any' then counted.any_count else counted.online_count end, 0) as dossier_count) n,
clock
