-- By agency, field and affected period: dossiers carried over, received, ended, and open at the end of the period. Open dossiers are
-- the sum of all movements up to then. Needs the temporary tables period, affected and period_movement.
create temporary table period_balance on commit drop as
with service_field as (
    select distinct on (service_code) service_code, field_code from shared.service order by service_code, valid_from desc
), requested_period as (
    select p.*, date_trunc('month', p.period_start)::date as month_on, (p.as_of at time zone 'Asia/Ho_Chi_Minh')::date as until_on
    from (select distinct period, period_start from affected) a join period p using (period, period_start) where period <> 'half_month'
), monthly_change as materialized (
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, since_on,
        sum(received_online + received_other - ended_before_due - ended_on_due - ended_late) as open, sum(lapsed - ended_overdue) as overdue
    from record.movement left join service_field using (service_code) where span = 'month' and service_code <> '' group by 1, 2, 3
), month as (
    select month_on::date as month_on from (select min(month_on) as first_on, max(month_on) as last_on from requested_period) month_range
    cross join generate_series(first_on - interval '1 month', last_on, interval '1 month') as month_on
), month_start_balance as (
    -- the balance at the start of each month; all earlier movements count in the month before the first one
    select organisation_id, field_code, month_on, sum(open) over past as open, sum(overdue) over past as overdue
    from (select distinct organisation_id, field_code from monthly_change) pair cross join month
    left join (
        select organisation_id, field_code, greatest(since_on, first_on) as month_on, sum(open) as open, sum(overdue) as overdue
        from monthly_change, (select min(month_on) as first_on from month) first_month group by 1, 2, 3
    ) change using (organisation_id, field_code, month_on)
    window past as (partition by organisation_id, field_code order by month_on rows between unbounded preceding and 1 preceding)
), day_before_week as (
    -- the days from the start of the month to the day before the week
    select period_start, since_on::date as since_on from (select period_start, month_on from requested_period where period = 'week') w
    cross join generate_series(month_on, period_start - 1, interval '1 day') as since_on
), change_before_week as (
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, 'week' as period, period_start,
        sum(received_online + received_other - ended_before_due - ended_on_due - ended_late) as open, sum(lapsed - ended_overdue) as overdue
    from record.movement join day_before_week using (since_on) left join service_field using (service_code)
    -- an array, so that the planner looks up these days and does not read all years
    where span = 'day' and service_code <> '' and since_on = any(array(select since_on from day_before_week)) group by 1, 2, 4
), period_flow as (
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, period, period_start, sum(received_online) as online, sum(received_other) as other,
        sum(ended_before_due) as before_due, sum(ended_on_due) as on_due, sum(ended_late) as late, sum(lapsed - ended_overdue) as overdue
    from period_movement left join service_field using (service_code) where period <> 'half_month' and service_code <> '' group by 1, 2, 3, 4
), not_yet_overdue as (
    -- dossiers that become overdue in the period but after as_of, unless they end before
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, period, period_start, sum(lapsing) as lapsing
    from (select period, period_start, period_end, until_on from requested_period where until_on < period_end) p
    join record.movement m on m.span = 'day' and m.lapsing <> 0 and m.since_on >= until_on and m.since_on < period_end
        and m.since_on between (select min(until_on) from requested_period where until_on < period_end) and (select max(period_end) from requested_period)
    left join service_field using (service_code) group by 1, 2, 3, 4
), balance as (
    select b.organisation_id, b.field_code, a.period, a.period_start,
        coalesce(f.online, 0) as received_online, coalesce(f.other, 0) as received_other,
        coalesce(f.before_due, 0) as before_due, coalesce(f.on_due, 0) as on_due, coalesce(f.late, 0) as late,
        coalesce(b.open, 0) + coalesce(l.open, 0) as carried_over,
        coalesce(b.overdue, 0) + coalesce(l.overdue, 0) + coalesce(f.overdue, 0) - coalesce(w.lapsing, 0) as overdue
    from requested_period a join month_start_balance b using (month_on)
    left join period_flow f using (organisation_id, field_code, period, period_start)
    left join change_before_week l using (organisation_id, field_code, period, period_start)
    left join not_yet_overdue w using (organisation_id, field_code, period, period_start)
)
select organisation_id, field_code, period, period_start, carried_over::bigint, received_online::bigint, received_other::bigint,
    before_due::bigint, on_due::bigint, late::bigint,
    (carried_over + received_online + received_other - before_due - on_due - late)::bigint as open, overdue::bigint
from balance
