-- on_time and online_share_all: (ALL, ALL), (ALL, each level), (agency, its level), for every period the feeds reach.
-- Needs temporary tables period, affected and part.
with agency as (
    select organisation_id, min(level) as level, min(valid_from) as first_on, max(coalesce(valid_to, 'infinity')) as ended_on
    from shared.organisation group by 1
), counted as (
    select organisation_id, period, period_start, sum(received_online) as received_online, sum(received_online + received_other) as received,
        sum(finished_on_time) as finished_on_time, sum(finished_due) as finished_due, sum(excluded) as excluded, sum(held) as held
    from record.movement join part using (span, since_on) group by 1, 2, 3
), fact as (
    select k.*, c.organisation_id, c.period, c.period_start, a.level, c.held as quarantined
    from counted c left join agency a using (organisation_id)
    cross join lateral (values
        ('on_time', finished_on_time, finished_due, excluded, finished_due + excluded + held),
        ('online_share_all', received_online, received, 0, received + held)
    ) as k(kpi_id, numerator, denominator, excluded, told)
    where k.told > 0  -- an agency that ended is asked about the periods in which its last dossiers were finished
), summed as (
    select kpi_id, period, period_start,
        case when grouping(organisation_id) = 1 then 'ALL' else organisation_id end as organisation_id,
        case when grouping(level) = 1 then 'ALL' else level end as level,
        sum(numerator)::bigint as numerator, sum(denominator)::bigint as denominator,
        sum(excluded)::bigint as excluded_count, sum(quarantined)::bigint as quarantined_count
    from fact
    group by grouping sets ((kpi_id, period, period_start), (kpi_id, period, period_start, level), (kpi_id, period, period_start, level, organisation_id))
), spine as (
    select kpi_id, p.*, organisation_id, level, first_on < period_end and ended_on > period_start as is_in_force
    from (select organisation_id, level, first_on, ended_on from agency
          union all select 'ALL', level, '-infinity', 'infinity' from agency group by level
          union all select 'ALL', 'ALL', '-infinity', 'infinity') as who
    join affected using (organisation_id) join period p using (period, period_start)
    cross join (values ('on_time'), ('online_share_all')) as k(kpi_id)
)
select kpi_id, organisation_id, level, period, period_start, '1.0' as definition_version,
    coalesce(numerator, 0) as numerator, coalesce(denominator, 0) as denominator,
    numerator::double precision / nullif(denominator, 0) as value,
    coalesce(excluded_count, 0) as excluded_count, coalesce(quarantined_count, 0) as quarantined_count,
    as_of, null::text as batch_id
from spine left join summed using (kpi_id, period, period_start, organisation_id, level)
where is_in_force or denominator is not null
