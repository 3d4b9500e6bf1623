-- The periods that the clock reaches, each with the time up to which it has data, and whether the feeds cover all of it.
-- Needs the temporary table clock.
create temporary table period on commit drop as
with day as (
    select generate_series(first_on, (as_of at time zone 'Asia/Ho_Chi_Minh')::date - 1, interval '1 day')::date as day_on from clock
), reached as (
    -- a week is [Thursday, next Thursday)
    select distinct 'week' as period, day_on - (extract(isodow from day_on)::int + 3) % 7 as period_start, day_on - (extract(isodow from day_on)::int + 3) % 7 + 7 as period_end from day
    union select 'half_month', date_trunc('month', day_on)::date + case when extract(day from day_on) < 16 then 0 else 15 end,
        case when extract(day from day_on) < 16 then date_trunc('month', day_on)::date + 15 else (date_trunc('month', day_on) + interval '1 month')::date end from day
    union select 'month', date_trunc('month', day_on)::date, (date_trunc('month', day_on) + interval '1 month')::date from day
    union select 'quarter', date_trunc('quarter', day_on)::date, (date_trunc('quarter', day_on) + interval '3 months')::date from day
    union select 'half_year', make_date(extract(year from day_on)::int, case when extract(month from day_on) <= 6 then 1 else 7 end, 1),
        (make_date(extract(year from day_on)::int, case when extract(month from day_on) <= 6 then 1 else 7 end, 1) + interval '6 months')::date from day
    union select 'year', date_trunc('year', day_on)::date, (date_trunc('year', day_on) + interval '1 year')::date from day
), instant as (
    select *, period_start::timestamp at time zone 'Asia/Ho_Chi_Minh' as begins_at, period_end::timestamp at time zone 'Asia/Ho_Chi_Minh' as ends_at from reached
)
-- as_of of a completed period is the end of the period, so its rows change only when its facts change
select period, period_start, period_end, least(clock.as_of, ends_at) as as_of,
    least(coalesce(clock.documents_as_of, begins_at), ends_at) as documents_as_of, clock.covered @> tstzrange(begins_at, ends_at) as is_covered,
    coalesce(clock.documents_covered @> tstzrange(begins_at, ends_at), false) as is_covered_by_documents
from instant, clock
