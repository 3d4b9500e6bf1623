-- What dossiers moved, by ${by} and day. Every dossier is a few moves: received, ended, gone overdue.
-- Needs `version`: versions of dossiers with a sign, 1 for what is so now, -1 for what was; and shared.indicator_definition.
select ${by}, day_on,
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
    coalesce(sum(sign) filter (where move = 'ended' and is_late_at_end), 0)::integer as ended_overdue,
    coalesce(sum(sign * step) filter (where move = 'lapsed'), 0)::integer as lapsed,
    coalesce(sum(sign * step) filter (where move = 'lapsed' and ended_on is null), 0)::integer as lapsing,
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
        case when received_on is not null and due_on is not null then greatest(received_on, due_on) end as overdue_after,
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
cross join lateral (
    -- waiting for a supplement stops the clock: nobody is late on a day that ends in a pause
    select overdue_after < coalesce(ended_on, 'infinity') and not coalesce(bool_or(since <= overdue_after and until > overdue_after), false) as is_lapsing_when_due,
        overdue_after < ended_on and not coalesce(bool_or(since < ended_on and until >= ended_on), false) as is_late_at_end
    from (select split_part(day, '/', 1)::date as since, coalesce(nullif(split_part(day, '/', 2), '')::date, 'infinity') as until from unnest(paused_days) as day) pause
) c
cross join lateral (
    values ('received', received_on, 1), ('ended', ended_on, 1), ('lapsed', case when is_lapsing_when_due then overdue_after end, 1),
        ('finished', case when not is_given_up then finished_on end, 1),
        ('closed', case when is_given_up then (closed_at at time zone 'Asia/Ho_Chi_Minh')::date end, 1),
        ('rated', case when satisfaction is not null then coalesce(finished_on, received_on) end, 1)
    union all
    -- what is late when a pause begins is not late for as long as it lasts
    select 'lapsed', day_on, step from (
        select nullif(split_part(day, '/', place), '')::date as day_on, case place when 1 then -1 else 1 end as step
        from unnest(paused_days) as day cross join (values (1), (2)) as either(place)
    ) turn where day_on > overdue_after and day_on < coalesce(ended_on, 'infinity')
) as move(move, day_on, step)
where day_on is not null
group by ${by}, day_on
