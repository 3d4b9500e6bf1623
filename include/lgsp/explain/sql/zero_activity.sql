-- Remove the units that neither moved in the period nor were open at its start: they are in none of its numbers.
delete from unit_flow using (
    select organisation_id from unit_flow, requested group by organisation_id, period_start, period_end
    having min(day_on) >= period_end or max(day_on) < period_start
        and sum(received_online + received_other - ended_before_due - ended_on_due - ended_late) = 0 and sum(lapsed - ended_overdue) = 0
) idle where unit_flow.organisation_id = idle.organisation_id
