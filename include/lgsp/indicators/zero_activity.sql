-- Who received nothing: silence only where both dossier feeds cover the whole period and nothing of the agency is missing or late, else `no_data`.
-- Needs temporary tables period, affected and part.
with counted as (
    select organisation_id, period, period_start, sum(received_online + received_other)::bigint as any_count, sum(received_online)::bigint as online_count,
        sum(doubted) > 0 as is_doubted
    from record.movement join part using (span, since_on) group by 1, 2, 3
), asked as (
    -- an agency is asked about a period when it was in force on one of its days
    select distinct o.organisation_id, p.*
    from affected a join period p using (period, period_start)
    join shared.organisation o on o.organisation_id = a.organisation_id and o.valid_from < p.period_end and (o.valid_to is null or o.valid_to > p.period_start)
)
select a.organisation_id, a.period, a.period_start, c.channel, n.dossier_count, a.threshold,
    case
        when not a.is_covered or coalesce(counted.is_doubted, false) then 'no_data'
        when n.dossier_count = 0 then 'zero'
        when n.dossier_count <= a.threshold then 'low'
        else 'ok'
    end as state,
    '1.0' as definition_version, a.as_of, null::text as batch_id
from asked a cross join (values ('any'), ('online')) as c(channel)
left join counted using (organisation_id, period, period_start)
cross join lateral (select coalesce(case c.channel when 'any' then counted.any_count else counted.online_count end, 0) as dossier_count) n
