-- What each agency had carried over in each field into each affected period, what moved in it, and what is open at its end:
-- the sum of all moves before it. Needs temporary tables period, affected and tally.
create temporary table standing on commit drop as
with field as (
    select distinct on (service_code) service_code, field_code from shared.service order by service_code, valid_from desc
), asked as (
    select p.*, date_trunc('month', p.period_start)::date as month_on, (p.as_of at time zone 'Asia/Ho_Chi_Minh')::date as until_on
    from (select distinct period, period_start from affected) a join period p using (period, period_start) where period <> 'half_month'
), monthly as materialized (
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, since_on,
        sum(received_online + received_other - ended_before_due - ended_on_due - ended_late) as open, sum(lapsed - ended_overdue) as overdue
    from record.movement left join field using (service_code) where span = 'month' and service_code <> '' group by 1, 2, 3
), month as (
    select month_on::date as month_on from (select min(month_on) as first_on, max(month_on) as last_on from asked) told
    cross join generate_series(first_on - interval '1 month', last_on, interval '1 month') as month_on
), begun as (
    -- at the beginning of each month; all that was before the first one counts as of the month before it
    select organisation_id, field_code, month_on, sum(open) over past as open, sum(overdue) over past as overdue
    from (select distinct organisation_id, field_code from monthly) pair cross join month
    left join (
        select organisation_id, field_code, greatest(since_on, first_on) as month_on, sum(open) as open, sum(overdue) as overdue
        from monthly, (select min(month_on) as first_on from month) told group by 1, 2, 3
    ) moved using (organisation_id, field_code, month_on)
    window past as (partition by organisation_id, field_code order by month_on rows between unbounded preceding and 1 preceding)
), day_before as (
    -- the days of a week's month that are before the week
    select period_start, since_on::date as since_on from (select period_start, month_on from asked where period = 'week') w
    cross join generate_series(month_on, period_start - 1, interval '1 day') as since_on
), led as (
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, 'week' as period, period_start,
        sum(received_online + received_other - ended_before_due - ended_on_due - ended_late) as open, sum(lapsed - ended_overdue) as overdue
    from record.movement join day_before using (since_on) left join field using (service_code)
    -- as an array, so that the planner looks up days instead of reading those of all years
    where span = 'day' and service_code <> '' and since_on = any(array(select since_on from day_before)) group by 1, 2, 4
), flow as (
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, period, period_start, sum(received_online) as online, sum(received_other) as other,
        sum(ended_before_due) as before_due, sum(ended_on_due) as on_due, sum(ended_late) as late, sum(lapsed - ended_overdue) as overdue
    from tally left join field using (service_code) where period <> 'half_month' and service_code <> '' group by 1, 2, 3, 4
), waiting as (
    -- will go overdue within the period, unless it ends: at as_of it has not
    select organisation_id, coalesce(field_code, 'UNKNOWN') as field_code, period, period_start, sum(lapsing) as lapsing
    from (select period, period_start, period_end, until_on from asked where until_on < period_end) p
    join record.movement m on m.span = 'day' and m.lapsing <> 0 and m.since_on >= until_on and m.since_on < period_end
        and m.since_on between (select min(until_on) from asked where until_on < period_end) and (select max(period_end) from asked)
    left join field using (service_code) group by 1, 2, 3, 4
), told as (
    select b.organisation_id, b.field_code, a.period, a.period_start,
        coalesce(f.online, 0) as received_online, coalesce(f.other, 0) as received_other,
        coalesce(f.before_due, 0) as before_due, coalesce(f.on_due, 0) as on_due, coalesce(f.late, 0) as late,
        coalesce(b.open, 0) + coalesce(l.open, 0) as carried_over,
        coalesce(b.overdue, 0) + coalesce(l.overdue, 0) + coalesce(f.overdue, 0) - coalesce(w.lapsing, 0) as overdue
    from asked a join begun b using (month_on)
    left join flow f using (organisation_id, field_code, period, period_start)
    left join led l using (organisation_id, field_code, period, period_start)
    left join waiting w using (organisation_id, field_code, period, period_start)
)
select organisation_id, field_code, period, period_start, carried_over::bigint, received_online::bigint, received_other::bigint,
    before_due::bigint, on_due::bigint, late::bigint,
    (carried_over + received_online + received_other - before_due - on_due - late)::bigint as open, overdue::bigint
from told
