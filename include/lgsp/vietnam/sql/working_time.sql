-- Working time as DuckDB macros, with the same results as working_time.py; a day outside the calendar gives NULL.
-- Needs the table working_day (day_on, is_working_day) and the constants of the opening hours.

create table working_clock as
    select day_on, is_working_day,
        (count(*) filter (is_working_day) over (order by day_on) - is_working_day::bigint) as worked_before
    from working_day;
create table nth_working_day as select worked_before as nth, day_on from working_clock where is_working_day;

create macro local_us(t) as epoch_us(t at time zone 'Asia/Ho_Chi_Minh') % 86400000000;
create macro within_us(us) as
    greatest(0, least(us, noon_break()) - opens()) + greatest(0, least(us, closes()) - noon_end());

-- Working microseconds since the first day of the calendar.
create macro worked_us(t) as (
    select c.worked_before * working_day_us() + case when c.is_working_day then within_us(local_us(t)) else 0 end
    from working_clock c where c.day_on = (t at time zone 'Asia/Ho_Chi_Minh')::date
);
create macro working_minutes(t_from, t_to) as (worked_us(t_to) - worked_us(t_from)) // 60000000;

-- The working day that is `days` working days after a local day.
create macro add_working_days(day, days) as (
    select n.day_on from working_clock c
    join nth_working_day n on n.nth = c.worked_before + c.is_working_day::bigint + days - 1
    where c.day_on = day
);

-- The due day moved by the pauses. A due day that was amended (extended, or different from the first) already includes them.
create macro due_effective_on(due_on, due_first_on, extension_count, paused_working_minutes) as case
    when coalesce(paused_working_minutes, 0) = 0 or extension_count > 0 or due_first_on <> due_on then due_on
    else add_working_days(due_on, (paused_working_minutes::bigint * 60000000 + working_day_us() - 1) // working_day_us()) end;
