-- Every ratio of service: (ALL, ALL), (ALL, each level), (agency, its level), for every period the feeds reach.
-- Needs temporary tables period, affected, tally and standing.
with agency as (
    select organisation_id, min(level) as level, min(valid_from) as first_on, max(coalesce(valid_to, 'infinity')) as ended_on
    from shared.organisation group by 1
), moved as (
    select organisation_id, period, period_start, ${sums},
        count(*) filter (where received_fee > 0 and service_code <> 'UNKNOWN' and organisation_id <> 'UNKNOWN') as paying,
        count(*) filter (where received_paid > 0 and service_code <> 'UNKNOWN' and organisation_id <> 'UNKNOWN') as paying_online
    from tally where period <> 'half_month' group by 1, 2, 3
), stood as (
    select organisation_id, period, period_start, sum(carried_over) as carried_over, sum(open) as open, sum(overdue) as overdue from standing group by 1, 2, 3
), offers as (
    select organisation_id, period, period_start, sum(offered) as offered, sum(eligible) as eligible, sum(eligible_used) as eligible_used,
        sum(eligible_used_online) as eligible_used_online, sum(eligible_integrated) as eligible_integrated, sum(eligible_full) as eligible_full
    from (${offered}) o group by 1, 2, 3
), summed as (
    select period, period_start,
        case when grouping(organisation_id) = 1 then 'ALL' else organisation_id end as organisation_id,
        case when grouping(level) = 1 then 'ALL' else level end as level, ${filled}
    from moved full join stood using (organisation_id, period, period_start) full join offers using (organisation_id, period, period_start)
    left join agency using (organisation_id)
    group by grouping sets ((period, period_start), (period, period_start, level), (period, period_start, level, organisation_id))
), who as (
    select organisation_id, level, first_on, ended_on from agency
    union all select distinct 'ALL', level, date '-infinity', date 'infinity' from agency
    union all select 'ALL', 'ALL', '-infinity', 'infinity'
), told as (
    select organisation_id, level, p.*, first_on < period_end and ended_on > period_start as is_in_force, ${measures}
    from who join affected using (organisation_id) join period p using (period, period_start)
    left join summed using (organisation_id, level, period, period_start)
    where period <> 'half_month'
)
select kpi_id, organisation_id, level, period, period_start, d.definition_version, numerator, denominator,
    numerator::double precision / nullif(denominator, 0) as value,
    ratio.excluded as excluded_count, held as quarantined_count, as_of, null::text as batch_id
from told cross join lateral (${ratios}) as ratio(kpi_id, numerator, denominator, excluded)
join shared.indicator_definition d using (kpi_id)
where d.valid_from < period_end and (d.valid_to is null or d.valid_to >= period_end)
    -- an agency that ended is asked about the periods in which its last dossiers were finished
    and (is_in_force or denominator + ratio.excluded + held > 0)
