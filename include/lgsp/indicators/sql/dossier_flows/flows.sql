-- Movements of dossiers by ${dimensions} and day: each dossier is counted when it is received, ends, becomes overdue, and so on.
-- Needs `version`, row versions of dossiers with a sign, 1 for current ones, -1 for replaced ones; and shared.indicator_definition.
select ${dimensions}, day_on,
    coalesce(sum(sign) filter (where event = 'received' and channel = 'online'), 0)::integer as received_online,
    coalesce(sum(sign) filter (where event = 'received' and channel <> 'online'), 0)::integer as received_other,
    coalesce(sum(sign) filter (where event = 'received' and is_eligible), 0)::integer as received_eligible,
    coalesce(sum(sign) filter (where event = 'received' and is_eligible and channel = 'online'), 0)::integer as received_eligible_online,
    coalesce(sum(sign) filter (where event = 'received' and fee_vnd > 0), 0)::integer as received_fee,
    coalesce(sum(sign) filter (where event = 'received' and fee_vnd > 0 and is_paid_online), 0)::integer as received_paid,
    coalesce(sum(sign) filter (where event = 'received' and in_online_services), 0)::integer as received_synced,
    coalesce(sum(sign) filter (where event = 'received' and digitised_component_count > 0), 0)::integer as received_digitised,
    coalesce(sum(sign) filter (where event = 'received' and digitised_component_count > 0 and reused_component_count > 0), 0)::integer as received_reused,
    coalesce(sum(sign) filter (where event = 'ended' and due_comparison < 0), 0)::integer as ended_before_due,
    coalesce(sum(sign) filter (where event = 'ended' and due_comparison = 0), 0)::integer as ended_on_due,
    coalesce(sum(sign) filter (where event = 'ended' and due_comparison > 0), 0)::integer as ended_late,
    coalesce(sum(sign) filter (where event = 'ended' and not is_ended_unfinished and coalesce(finished_on <= due_on, true)), 0)::integer as ended_on_time,
    coalesce(sum(sign) filter (where event = 'ended' and is_overdue_at_end), 0)::integer as ended_overdue,
    coalesce(sum(sign * delta) filter (where event = 'lapsed'), 0)::integer as lapsed,
    coalesce(sum(sign * delta) filter (where event = 'lapsed' and ended_on is null), 0)::integer as lapsing,
    coalesce(sum(sign) filter (where event = 'finished'), 0)::integer as finished,
    coalesce(sum(sign) filter (where event = 'finished' and due_on is not null), 0)::integer as finished_due,
    coalesce(sum(sign) filter (where event = 'finished' and finished_on <= due_on), 0)::integer as finished_on_time,
    coalesce(sum(sign) filter (where event = 'finished' and due_first_at is not null), 0)::integer as finished_due_first,
    coalesce(sum(sign) filter (where event = 'finished' and finished_on <= (due_first_at at time zone 'Asia/Ho_Chi_Minh')::date), 0)::integer as finished_on_time_first,
    coalesce(sum(sign) filter (where event = 'finished' and has_digital_result), 0)::integer as finished_digital,
    coalesce(sum(sign) filter (where event = 'closed'), 0)::integer as excluded,
    coalesce(sum(sign) filter (where event = 'rated'), 0)::integer as rated,
    coalesce(sum(sign) filter (where event = 'rated' and satisfaction >= 4), 0)::integer as satisfied,
    0 as held, 0 as doubted
from version
cross join lateral (
    select status in ('withdrawn', 'not_accepted') as is_ended_unfinished,
        case when received_on is not null and due_on is not null then greatest(received_on, due_on) end as overdue_after,
        -- levels count until Decree 42/2022 names modes
        case when received_on >= (select valid_from from shared.indicator_definition where kpi_id = 'online_share' and definition_version = '2.0')
            then online_mode in ('partial', 'full') else online_level >= 3 end as is_eligible
) status_and_due
cross join lateral (
    -- greatest() ignores nulls, so an open dossier must not reach it: it would end on the day it was received
    select case when received_on is null then null when finished_on is not null then greatest(received_on, finished_on)
        when is_ended_unfinished then greatest(received_on, (coalesce(closed_at, source_updated_at) at time zone 'Asia/Ho_Chi_Minh')::date) end as ended_on,
        -- a dossier that was withdrawn or has no due date counts as on due
        case when is_ended_unfinished or due_on is null or finished_on = due_on then 0 when finished_on < due_on then -1 else 1 end as due_comparison
) ending
cross join lateral (
    -- waiting for a supplement stops the clock: a dossier does not become overdue on a day that ends in a pause
    select overdue_after < coalesce(ended_on, 'infinity') and not coalesce(bool_or(since <= overdue_after and until > overdue_after), false) as is_overdue_after_due_day,
        overdue_after < ended_on and not coalesce(bool_or(since < ended_on and until >= ended_on), false) as is_overdue_at_end
    from (select split_part(day, '/', 1)::date as since, coalesce(nullif(split_part(day, '/', 2), '')::date, 'infinity') as until from unnest(paused_days) as day) pause
) overdue
cross join lateral (
    values ('received', received_on, 1), ('ended', ended_on, 1), ('lapsed', case when is_overdue_after_due_day then overdue_after end, 1),
        ('finished', case when not is_ended_unfinished then finished_on end, 1),
        ('closed', case when is_ended_unfinished then (closed_at at time zone 'Asia/Ho_Chi_Minh')::date end, 1),
        ('rated', case when satisfaction is null then null when is_ended_unfinished then received_on else coalesce(finished_on, received_on) end, 1)
    union all
    -- an overdue dossier is not overdue during a pause: -1 on the day the pause begins, 1 on the day it ends
    select 'lapsed', day_on, delta from (
        select nullif(split_part(day, '/', place), '')::date as day_on, case place when 1 then -1 else 1 end as delta
        from unnest(paused_days) as day cross join (values (1), (2)) as boundary(place)
    ) pause_change where day_on > overdue_after and day_on < coalesce(ended_on, 'infinity')
) as movement(event, day_on, delta)
where day_on is not null
group by ${dimensions}, day_on
