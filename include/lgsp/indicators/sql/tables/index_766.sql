-- Points of Decision 766/QĐ-TTg for each agency and the province: a row for each component whose weight is in force on the last day
-- of the period, and the total of the components that could be computed. Reads the ratios that were computed just before.
-- Needs the temporary tables new_service_kpi, period and affected.
with requested_period as (
    select p.period, p.period_start, p.period_end, p.period_end - 1 as last_on, d.definition_version
    from (select distinct period, period_start from affected) a join period p using (period, period_start)
    join shared.indicator_definition d on d.kpi_id = 'index_766' and d.valid_from < p.period_end and (d.valid_to is null or d.valid_to >= p.period_end)
    where p.period in ('month', 'quarter', 'half_year', 'year')
), agency as (
    -- an agency that has ended is not ranked, even while its last dossiers are finished
    select organisation_id, min(valid_from) as first_on, max(coalesce(valid_to, 'infinity')) as ended_on from shared.organisation group by 1
    union all select 'ALL', '-infinity', 'infinity'
), ratio_value as (
    select k.organisation_id, k.period, k.period_start, k.kpi_id, k.numerator, k.denominator, k.value, k.excluded_count, k.quarantined_count
    from new_service_kpi k join affected using (organisation_id, period, period_start) join requested_period using (period, period_start) join agency using (organisation_id)
    where (k.organisation_id <> 'ALL' or k.level = 'ALL') and first_on < period_end and ended_on > period_start
), scored_agency as (
    select organisation_id, period, period_start, coalesce(max(quarantined_count) filter (where kpi_id = 'on_time'), 0) as quarantined
    from ratio_value group by 1, 2, 3
), component_value as (
    -- grouped instead of joined: the rows of this publication have no statistics that would make a join fast
    select organisation_id, period, period_start, component, definition_version, full_at, maximum::numeric as maximum,
        max(numerator) as numerator, max(denominator) as denominator, max(value) as value, max(excluded_count) as excluded_count, max(quarantined) as quarantined
    from (
        select organisation_id, period, period_start, component, definition_version, full_at, maximum, numerator, denominator, value, excluded_count, quarantined_count as quarantined
        from ratio_value join requested_period using (period, period_start) join shared.index_766_weight using (kpi_id) where valid_from <= last_on and (valid_to is null or valid_to > last_on)
        union all
        select organisation_id, period, period_start, component, definition_version, full_at, maximum, null, null, null, 0, quarantined
        from scored_agency join requested_period using (period, period_start) join shared.index_766_weight on valid_from <= last_on and (valid_to is null or valid_to > last_on)
    ) weighted_value group by 1, 2, 3, 4, 5, 6, 7
), component_score as (
    -- decimals until the end, so that sums of points have no binary rounding errors
    select *,
        case
            when denominator is null or denominator = 0 then null
            when numerator >= full_at::numeric * denominator then maximum
            else maximum::numeric(40, 20) * numerator / (full_at::numeric * denominator)
        end as points
    from component_value
), total as (
    select organisation_id, period, period_start, definition_version, quarantined,
        sum(points) as points, coalesce(sum(maximum) filter (where points is not null), 0) as maximum, sum(maximum) as maximum_of_all
    from component_score group by 1, 2, 3, 4, 5
)
select organisation_id, period, period_start, component, numerator, denominator, value, full_at,
    points::double precision, maximum::double precision, null::double precision as coverage,
    excluded_count, quarantined as quarantined_count, definition_version, null::text as batch_id
from component_score
union all
select organisation_id, period, period_start, 'total', null, null, (points / nullif(maximum, 0))::double precision, null,
    points::double precision, maximum::double precision, (maximum / nullif(maximum_of_all, 0))::double precision,
    0, quarantined, definition_version, null
from total
