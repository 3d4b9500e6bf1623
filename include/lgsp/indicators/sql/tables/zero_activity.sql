-- Agencies and the number of dossiers they received, with a state. The state is `zero` only when both dossier feeds cover the whole
-- period, no data of the agency are missing or late, and none of its records of the period is in quarantine; otherwise it is `no_data`.
-- So it is when its successor has dossiers of days before it existed: they were handed over, and nobody can tell whose they were.
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
    -- when no offering of any agency is known in the period, all agencies are expected to; one that received some after its end has a row anyway
    select o.organisation_id, a.period, a.period_start, min(p.period_end) as period_end, bool_and(p.is_covered) as is_covered, min(o.level) as level
    from affected a join period p on (p.period, p.period_start) = (a.period, a.period_start)
    left join agency_count received on (received.organisation_id, received.period, received.period_start) = (a.organisation_id, a.period, a.period_start)
    join shared.organisation o on o.organisation_id = a.organisation_id and (o.valid_from < p.period_end and (o.valid_to is null or o.valid_to > p.period_start)
        or received.any_count > 0 and o.valid_to <= p.period_start and not exists (
            select from shared.organisation later where later.organisation_id = o.organisation_id and later.valid_from > o.valid_from))
    left join offered_days own on own.organisation_id = a.organisation_id
    join offered_days any_agency on any_agency.organisation_id is null
    where coalesce(own.days && daterange(p.period_start, p.period_end), false)
        or not coalesce(any_agency.days && daterange(p.period_start, p.period_end), false)
        or received.any_count > 0 and o.valid_to <= p.period_start
    group by 1, 2, 3
), handed_over as (
    select distinct a.organisation_id, a.period, a.period_start
    from expected_agency a join shared.organisation o on o.organisation_id = a.organisation_id and o.successor_id is not null
    join (select organisation_id, min(valid_from) as first_on from shared.organisation group by 1) heir on heir.organisation_id = o.successor_id
    join record.movement m on m.span = 'day' and m.organisation_id = heir.organisation_id
        and m.since_on >= a.period_start and m.since_on < least(a.period_end, heir.first_on) and m.received_online + m.received_other > 0
), low_threshold as (
    select scope, period, period_start, (array_agg(value order by valid_from desc))[1]::bigint as threshold
    from period p join shared.indicator_threshold t on t.threshold_id = 'low_activity' and t.valid_from < period_end and (t.valid_to is null or t.valid_to >= period_end)
    group by 1, 2, 3
)
select a.organisation_id, a.period, a.period_start, c.channel, n.dossier_count, coalesce(low_threshold.threshold, 0) as threshold,
    case
        when not a.is_covered or coalesce(agency_count.is_doubted, false) then 'no_data'
        when n.dossier_count = 0 and (a.organisation_id, a.period, a.period_start) in (select organisation_id, period, period_start from handed_over) then 'no_data'
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
