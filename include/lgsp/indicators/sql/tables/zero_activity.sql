-- Agencies and the number of dossiers they received, with a state. The state is `zero` only when both dossier feeds cover the whole
-- period, no data of the agency are missing or late, and none of its records of the period is in quarantine; otherwise it is `no_data`.
-- Needs the temporary tables period, affected and period_movement.
with agency_count as (
    select organisation_id, period, period_start, sum(received_online + received_other) as any_count, sum(received_online) as online_count,
        sum(doubted) > 0 or sum(held) > 0 as is_doubted
    from period_movement group by 1, 2, 3
), offered_days as (
    select organisation_id, range_agg(daterange(valid_from, valid_to)) as days
    from shared.service_offering where valid_from < coalesce(valid_to, 'infinity') group by grouping sets ((organisation_id), ())
), expected_agency as (
    -- an agency is expected to receive dossiers in a period when it was in force and offered a procedure on any of its days;
    -- when no offering of any agency is known in the period, all agencies are expected to
    select o.organisation_id, period, period_start, min(p.period_end) as period_end, bool_and(p.is_covered) as is_covered, min(o.level) as level
    from affected a join period p using (period, period_start)
    join shared.organisation o on o.organisation_id = a.organisation_id and o.valid_from < p.period_end and (o.valid_to is null or o.valid_to > p.period_start)
    left join offered_days own on own.organisation_id = a.organisation_id
    join offered_days any_agency on any_agency.organisation_id is null
    where coalesce(own.days && daterange(p.period_start, p.period_end), false)
        or not coalesce(any_agency.days && daterange(p.period_start, p.period_end), false)
    group by 1, 2, 3
), low_threshold as (
    select scope, period, period_start, (array_agg(value order by valid_from desc))[1]::bigint as threshold
    from period p join shared.indicator_threshold t on t.threshold_id = 'low_activity' and t.valid_from < period_end and (t.valid_to is null or t.valid_to >= period_end)
    group by 1, 2, 3
)
select a.organisation_id, a.period, a.period_start, c.channel, n.dossier_count, coalesce(low_threshold.threshold, 0) as threshold,
    case
        when not a.is_covered or coalesce(agency_count.is_doubted, false) then 'no_data'
        when n.dossier_count = 0 then 'zero'
        when n.dossier_count < low_threshold.threshold then 'low'
        else 'ok'
    end as state,
    d.definition_version, null::text as batch_id
from expected_agency a cross join (values ('any'), ('online')) as c(channel)
join shared.indicator_definition d on d.kpi_id = 'zero_activity' and d.valid_from < a.period_end and (d.valid_to is null or d.valid_to >= a.period_end)
left join agency_count using (organisation_id, period, period_start)
left join low_threshold on (low_threshold.scope, low_threshold.period, low_threshold.period_start) = (a.level || '/' || a.period, a.period, a.period_start)
cross join lateral (select coalesce(case c.channel when 'any' then agency_count.any_count else agency_count.online_count end, 0)::bigint as dossier_count) n
