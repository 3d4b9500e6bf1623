-- What neither moved in a period nor was open when it began is in none of its numbers.
delete from told using (
    select organisation_id from told, asked group by organisation_id, period_start, period_end
    having min(day_on) >= period_end or max(day_on) < period_start
        and sum(received_online + received_other - ended_before_due - ended_on_due - ended_late) = 0 and sum(lapsed - ended_overdue) = 0
) idle where told.organisation_id = idle.organisation_id
