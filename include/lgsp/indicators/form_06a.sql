-- Form II.06a: what each agency had to do in each field and period, what of it was done, and what is left.
-- Every dossier is a few moves on days: received, ended, gone overdue. What is open at the end of a period is the sum
-- of all moves before it. Needs temporary tables clock (as_of) and period (period, period_start, period_end).
with field as (
    select distinct on (service_code) service_code, field_code from shared.service order by service_code, valid_from desc
), fact as (
    select receiving_organisation_id as organisation_id, coalesce(f.field_code, 'UNKNOWN') as field_code, received_on, channel = 'online' as is_online,
        -- waiting for a supplement stops the clock
        case when due_on is not null and not is_paused then greatest(received_on, due_on) end as overdue_after,
        greatest(received_on, coalesce(finished_on, case when status in ('withdrawn', 'not_accepted')
            then (coalesce(closed_at, source_updated_at) at time zone 'Asia/Ho_Chi_Minh')::date end)) as ended_on,
        -- withdrawn, and without a due date, is on due
        case when status in ('withdrawn', 'not_accepted') or due_on is null or finished_on = due_on then 0 when finished_on < due_on then -1 else 1 end as punctual
    from shared.dossier left join field f using (service_code) where received_on is not null
), move as (
    select organisation_id, field_code, received_on as day_on, is_online::int as online, (not is_online)::int as other,
        0 as before_due, 0 as on_due, 0 as late, 1 as within, 0 as overdue from fact
    union all
    select organisation_id, field_code, ended_on, 0, 0, (punctual < 0)::int, (punctual = 0)::int, (punctual > 0)::int, 0, 0
    from fact where ended_on is not null
    union all  -- it leaves those within due when it ends or goes overdue, whichever comes first
    select organisation_id, field_code, least(overdue_after, ended_on), 0, 0, 0, 0, 0, -1, 0
    from fact where least(overdue_after, ended_on) is not null
    union all
    select organisation_id, field_code, overdue_after, 0, 0, 0, 0, 0, 0, 1 from fact where overdue_after < coalesce(ended_on, 'infinity')
    union all
    select organisation_id, field_code, ended_on, 0, 0, 0, 0, 0, 0, -1 from fact where overdue_after < ended_on
), daily as (
    select organisation_id, field_code, day_on, sum(online) as online, sum(other) as other, sum(before_due) as before_due, sum(on_due) as on_due,
        sum(late) as late, sum(within) as within, sum(overdue) as overdue
    from move group by 1, 2, 3
), first as (
    select period, min(period_start) as first_on from period group by 1
), summed as (
    select organisation_id, field_code, period, period_start, sum(online) as online, sum(other) as other, sum(before_due) as before_due,
        sum(on_due) as on_due, sum(late) as late, sum(within) as within, sum(overdue) as overdue
    from daily join period p on day_on >= p.period_start and day_on < p.period_end group by 1, 2, 3, 4
), opening as (
    select organisation_id, field_code, period, sum(online + other - before_due - on_due - late) as open, sum(within) as within, sum(overdue) as overdue
    from daily join first on day_on < first_on group by 1, 2, 3
), running as (
    select w.organisation_id, w.field_code, p.period, p.period_start, p.period_end, s.online, s.other, s.before_due, s.on_due, s.late,
        coalesce(o.open, 0) + sum(coalesce(s.online + s.other - s.before_due - s.on_due - s.late, 0)) over past as open,
        coalesce(o.within, 0) + sum(coalesce(s.within, 0)) over past as within,
        coalesce(o.overdue, 0) + sum(coalesce(s.overdue, 0)) over past as overdue
    from (select distinct organisation_id, field_code from daily) w cross join period p
    left join summed s using (organisation_id, field_code, period, period_start)
    left join opening o using (organisation_id, field_code, period)
    window past as (partition by w.organisation_id, w.field_code, p.period order by p.period_start)
), told as (
    select *, coalesce(online, 0) as received_online, coalesce(other, 0) as received_counter_postal,
        coalesce(before_due + on_due + late, 0) as finished_total,
        open - coalesce(online + other, 0) + coalesce(before_due + on_due + late, 0) as carried_over
    from running
)
select organisation_id, field_code, period, period_start,
    (received_online + received_counter_postal + carried_over)::bigint as received_total, received_online::bigint, received_counter_postal::bigint,
    carried_over::bigint as received_carried_over,
    finished_total::bigint, coalesce(before_due, 0)::bigint as finished_before_due, coalesce(on_due, 0)::bigint as finished_on_due, coalesce(late, 0)::bigint as finished_late,
    (within + overdue)::bigint as open_total, within::bigint as open_within_due, overdue::bigint as open_late,
    '1.0' as definition_version,
    least(clock.as_of, period_end::timestamp at time zone 'Asia/Ho_Chi_Minh') as as_of, null::text as batch_id
from told, clock
where carried_over + received_online + received_counter_postal + finished_total + within + overdue > 0
