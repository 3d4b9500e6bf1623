-- on_time and online_share_all: (ALL, ALL), (ALL, each level), (agency, its level), for every period the feeds reach.
-- Needs temporary tables clock (as_of, first_on) and period (period, period_start, period_end).
with agency as (
    select organisation_id, min(level) as level, min(valid_from) as first_on, max(coalesce(valid_to, 'infinity')) as ended_on
    from shared.organisation group by 1
), fact as (
    select 'on_time' as kpi_id, receiving_organisation_id as organisation_id, finished_on as day_on,
        count(*) filter (where finished_on <= due_on) as numerator, count(*) as denominator, 0::bigint as excluded, 0::bigint as quarantined
    from shared.dossier
    where finished_on is not null and due_on is not null and status not in ('withdrawn', 'not_accepted')
    group by 1, 2, 3
    union all
    select 'on_time', receiving_organisation_id, (closed_at at time zone 'Asia/Ho_Chi_Minh')::date, 0, 0, count(*), 0
    from shared.dossier where status in ('withdrawn', 'not_accepted') and closed_at is not null
    group by 1, 2, 3
    union all
    select 'online_share_all', receiving_organisation_id, received_on, count(*) filter (where channel = 'online'), count(*), 0, 0
    from shared.dossier where received_on is not null
    group by 1, 2, 3
    union all
    select kpi_id, organisation_id, occurred_on, 0, 0, 0, count(*)
    from held, (values ('on_time'), ('online_share_all')) as k(kpi_id)
    group by 1, 2, 3
), placed as (
    select f.*, a.level from fact f left join agency a using (organisation_id)
), summed as (
    select kpi_id, p.period, p.period_start,
        case when grouping(organisation_id) = 1 then 'ALL' else organisation_id end as organisation_id,
        case when grouping(level) = 1 then 'ALL' else level end as level,
        sum(numerator)::bigint as numerator, sum(denominator)::bigint as denominator,
        sum(excluded)::bigint as excluded_count, sum(quarantined)::bigint as quarantined_count
    from placed join period p on day_on >= p.period_start and day_on < p.period_end
    group by grouping sets ((kpi_id, p.period, p.period_start), (kpi_id, p.period, p.period_start, level),
        (kpi_id, p.period, p.period_start, level, organisation_id))
), spine as (
    select kpi_id, period, period_start, period_end, organisation_id, level, first_on < period_end and ended_on > period_start as is_in_force
    from (values ('on_time'), ('online_share_all')) as k(kpi_id), period,
        (select organisation_id, level, first_on, ended_on from agency
         union all select 'ALL', level, '-infinity', 'infinity' from agency group by level
         union all select 'ALL', 'ALL', '-infinity', 'infinity') as who
)
select kpi_id, organisation_id, level, period, period_start, '1.0' as definition_version,
    coalesce(numerator, 0) as numerator, coalesce(denominator, 0) as denominator,
    numerator::double precision / nullif(denominator, 0) as value,
    coalesce(excluded_count, 0) as excluded_count, coalesce(quarantined_count, 0) as quarantined_count,
    -- a period that is over keeps its own end, so its rows change only when its facts do
    least(clock.as_of, period_end::timestamp at time zone 'Asia/Ho_Chi_Minh') as as_of, null::text as batch_id
from spine left join summed using (kpi_id, period, period_start, organisation_id, level), clock
-- of an agency that ended: the periods it lived in, and those in which its last dossiers were finished
where is_in_force or denominator is not null
