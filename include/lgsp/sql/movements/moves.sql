-- What dossiers moved, by agency, procedure and day. Every dossier is a few moves: received, ended, gone overdue.
-- Needs `version`: versions of dossiers with a sign, 1 for what is so now, -1 for what was.
select receiving_organisation_id as organisation_id, service_code, day_on,
    sum(sign * received_online)::integer as received_online, sum(sign * received_other)::integer as received_other,
    sum(sign * ended_before_due)::integer as ended_before_due, sum(sign * ended_on_due)::integer as ended_on_due,
    sum(sign * ended_late)::integer as ended_late, sum(sign * ended_overdue)::integer as ended_overdue,
    sum(sign * lapsed)::integer as lapsed, sum(sign * lapsing)::integer as lapsing,
    sum(sign * finished_due)::integer as finished_due, sum(sign * finished_on_time)::integer as finished_on_time,
    sum(sign * excluded)::integer as excluded, 0 as held, 0 as doubted
from version
cross join lateral (
    select status in ('withdrawn', 'not_accepted') as is_given_up,
        -- waiting for a supplement stops the clock
        case when received_on is not null and due_on is not null and not is_paused then greatest(received_on, due_on) end as overdue_after
) a
cross join lateral (
    -- greatest() leaves out what is null: nothing that is open may end on the day it was received
    select case when received_on is null then null when finished_on is not null then greatest(received_on, finished_on)
        when is_given_up then greatest(received_on, (coalesce(closed_at, source_updated_at) at time zone 'Asia/Ho_Chi_Minh')::date) end as ended_on,
        -- withdrawn, and without a due date, is on due
        case when is_given_up or due_on is null or finished_on = due_on then 0 when finished_on < due_on then -1 else 1 end as punctual
) b
cross join lateral (values
    (received_on, (channel = 'online')::int, (channel <> 'online')::int, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (ended_on, 0, 0, (punctual < 0)::int, (punctual = 0)::int, (punctual > 0)::int, coalesce((overdue_after < ended_on)::int, 0), 0, 0, 0, 0, 0),
    (case when overdue_after < coalesce(ended_on, 'infinity') then overdue_after end, 0, 0, 0, 0, 0, 0, 1, (ended_on is null)::int, 0, 0, 0),
    (case when not is_given_up and due_on is not null then finished_on end, 0, 0, 0, 0, 0, 0, 0, 0, 1, coalesce((finished_on <= due_on)::int, 0), 0),
    (case when is_given_up then (closed_at at time zone 'Asia/Ho_Chi_Minh')::date end, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
) as move(day_on, received_online, received_other, ended_before_due, ended_on_due, ended_late, ended_overdue, lapsed, lapsing,
    finished_due, finished_on_time, excluded)
where day_on is not null
group by receiving_organisation_id, service_code, day_on
