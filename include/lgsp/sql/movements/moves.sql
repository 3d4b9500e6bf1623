-- What dossiers moved, by $by and day. Every dossier is a few moves: received, ended, gone overdue.
-- Needs `version`: versions of dossiers with a sign, 1 for what is so now, -1 for what was; and shared.indicator_definition.
select $by, day_on,
    coalesce(sum(sign) filter (where move = 'received' and channel = 'online'), 0)::integer as received_online,
    coalesce(sum(sign) filter (where move = 'received' and channel <> 'online'), 0)::integer as received_other,
    coalesce(sum(sign) filter (where move = 'received' and is_eligible), 0)::integer as received_eligible,
    coalesce(sum(sign) filter (where move = 'received' and is_eligible and channel = 'online'), 0)::integer as received_eligible_online,
    coalesce(sum(sign) filter (where move = 'received' and fee_vnd > 0), 0)::integer as received_fee,
    coalesce(sum(sign) filter (where move = 'received' and fee_vnd > 0 and is_paid_online), 0)::integer as received_paid,
    coalesce(sum(sign) filter (where move = 'received' and in_online_services), 0)::integer as received_synced,
    coalesce(sum(sign) filter (where move = 'received' and digitised_component_count > 0), 0)::integer as received_digitised,
    coalesce(sum(sign) filter (where move = 'received' and digitised_component_count > 0 and reused_component_count > 0), 0)::integer as received_reused,
    coalesce(sum(sign) filter (where move = 'ended' and punctual < 0), 0)::integer as ended_before_due,
    coalesce(sum(sign) filter (where move = 'ended' and punctual = 0), 0)::integer as ended_on_due,
    coalesce(sum(sign) filter (where move = 'ended' and punctual > 0), 0)::integer as ended_late,
    coalesce(sum(sign) filter (where move = 'ended' and not is_given_up and finished_on <= due_on), 0)::integer as ended_on_time,
    coalesce(sum(sign) filter (where move = 'ended' and overdue_after < ended_on), 0)::integer as ended_overdue,
    coalesce(sum(sign) filter (where move = 'lapsed'), 0)::integer as lapsed,
    coalesce(sum(sign) filter (where move = 'lapsed' and ended_on is null), 0)::integer as lapsing,
    coalesce(sum(sign) filter (where move = 'finished'), 0)::integer as finished,
    coalesce(sum(sign) filter (where move = 'finished' and due_on is not null), 0)::integer as finished_due,
    coalesce(sum(sign) filter (where move = 'finished' and finished_on <= due_on), 0)::integer as finished_on_time,
    coalesce(sum(sign) filter (where move = 'finished' and due_first_at is not null), 0)::integer as finished_due_first,
    coalesce(sum(sign) filter (where move = 'finished' and finished_on <= (due_first_at at time zone 'Asia/Ho_Chi_Minh')::date), 0)::integer as finished_on_time_first,
    coalesce(sum(sign) filter (where move = 'finished' and has_digital_result), 0)::integer as finished_digital,
    coalesce(sum(sign) filter (where move = 'closed'), 0)::integer as excluded,
    coalesce(sum(sign) filter (where move = 'rated'), 0)::integer as rated,
    coalesce(sum(sign) filter (where move = 'rated' and satisfaction >= 4), 0)::integer as satisfied,
    0 as held, 0 as doubted
from version
cross join lateral (
    select status in ('withdrawn', 'not_accepted') as is_given_up,
        -- waiting for a supplement stops the clock
        case when received_on is not null and due_on is not null and not is_paused then greatest(received_on, due_on) end as overdue_after,
        -- levels count until Decree 42/2022 names modes
        case when received_on >= (select valid_from from shared.indicator_definition where kpi_id = 'online_share' and definition_version = '2.0')
            then online_mode in ('partial', 'full') else online_level >= 3 end as is_eligible
) a
cross join lateral (
    -- greatest() leaves out what is null: nothing that is open may end on the day it was received
    select case when received_on is null then null when finished_on is not null then greatest(received_on, finished_on)
        when is_given_up then greatest(received_on, (coalesce(closed_at, source_updated_at) at time zone 'Asia/Ho_Chi_Minh')::date) end as ended_on,
        -- withdrawn, and without a due date, is on due
        case when is_given_up or due_on is null or finished_on = due_on then 0 when finished_on < due_on then -1 else 1 end as punctual
) b
cross join lateral (values
    ('received', received_on),
    ('ended', ended_on),
    ('lapsed', case when overdue_after < coalesce(ended_on, 'infinity') then overdue_after end),
    ('finished', case when not is_given_up then finished_on end),
    ('closed', case when is_given_up then (closed_at at time zone 'Asia/Ho_Chi_Minh')::date end),
    ('rated', case when satisfaction is not null then coalesce(finished_on, received_on) end)
) as move(move, day_on)
where day_on is not null
group by $by, day_on
