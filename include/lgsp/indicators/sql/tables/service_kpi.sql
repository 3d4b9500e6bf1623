-- The ratios of services, by period: for (ALL, ALL), (ALL, each level) and (agency, its level).
-- Needs the temporary tables period, affected, period_movement and period_balance.
with agency as (
    select organisation_id, min(level) as level, min(valid_from) as first_on, max(coalesce(valid_to, 'infinity')) as ended_on
    from shared.organisation group by 1
), agency_movement as (
    select organisation_id, period, period_start, ${movement_sums},
        count(*) filter (where received_fee > 0 and service_code <> 'UNKNOWN' and organisation_id <> 'UNKNOWN') as paying,
        count(*) filter (where received_paid > 0 and service_code <> 'UNKNOWN' and organisation_id <> 'UNKNOWN') as paying_online
    from period_movement where period <> 'half_month' group by 1, 2, 3
), agency_balance as (
    select organisation_id, period, period_start, sum(carried_over) as carried_over, sum(open) as open, sum(overdue) as overdue from period_balance group by 1, 2, 3
), agency_offering as (
    select organisation_id, period, period_start, sum(offered) as offered, sum(eligible) as eligible, sum(eligible_used) as eligible_used,
        sum(eligible_used_online) as eligible_used_online, sum(eligible_integrated) as eligible_integrated, sum(eligible_full) as eligible_full
    from (${offerings}) o group by 1, 2, 3
), total as (
    select period, period_start,
        case when grouping(organisation_id) = 1 then 'ALL' else organisation_id end as organisation_id,
        case when grouping(level) = 1 then 'ALL' else level end as level, ${measure_sums}
    from agency_movement full join agency_balance using (organisation_id, period, period_start) full join agency_offering using (organisation_id, period, period_start)
    left join agency using (organisation_id)
    group by grouping sets ((period, period_start), (period, period_start, level), (period, period_start, level, organisation_id))
), reporting_unit as (
    select organisation_id, level, first_on, ended_on from agency
    union all select distinct 'ALL', level, date '-infinity', date 'infinity' from agency
    union all select 'ALL', 'ALL', '-infinity', 'infinity'
), measured as (
    select organisation_id, level, p.*, first_on < period_end and ended_on > period_start as is_in_force, ${measures}
    from reporting_unit join affected using (organisation_id) join period p using (period, period_start)
    left join total using (organisation_id, level, period, period_start)
    where period <> 'half_month'
)
select kpi_id, organisation_id, level, period, period_start, d.definition_version, numerator, denominator,
    numerator::double precision / nullif(denominator, 0) as value,
    ratio.excluded as excluded_count, held as quarantined_count, null::text as batch_id
from measured cross join lateral (${ratios}) as ratio(kpi_id, numerator, denominator, excluded)
join shared.indicator_definition d using (kpi_id)
where d.valid_from < period_end and (d.valid_to is null or d.valid_to >= period_end)
    -- an agency that ended has rows only for periods in which its last dossiers were processed
    and (is_in_force or denominator + ratio.excluded + held > 0)
