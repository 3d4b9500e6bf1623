-- Form II.06a: dossiers to process, finished and still open, by agency, field and period. ALL stands for the province and for every field.
-- Needs the temporary tables period, affected and period_balance.
with total as (
    select period, period_start,
        case when grouping(organisation_id) = 1 then 'ALL' else organisation_id end as organisation_id,
        case when grouping(field_code) = 1 then 'ALL' else field_code end as field_code,
        sum(received_online)::bigint as received_online, sum(received_other)::bigint as received_other, sum(carried_over)::bigint as carried_over,
        sum(before_due)::bigint as before_due, sum(on_due)::bigint as on_due, sum(late)::bigint as late, sum(open)::bigint as open, sum(overdue)::bigint as overdue
    from period_balance
    group by grouping sets (
        (period, period_start, organisation_id, field_code), (period, period_start, organisation_id), (period, period_start, field_code), (period, period_start)
    )
)
select organisation_id, field_code, period, period_start,
    received_online + received_other + carried_over as received_total, received_online, received_other as received_counter_postal,
    carried_over as received_carried_over,
    before_due + on_due + late as finished_total, before_due as finished_before_due, on_due as finished_on_due, late as finished_late,
    open as open_total, open - overdue as open_within_due, overdue as open_late,
    d.definition_version, null::text as batch_id
from affected join period using (period, period_start) join total using (organisation_id, period, period_start)
join shared.indicator_definition d on d.kpi_id = 'form_06a' and d.valid_from < period_end and (d.valid_to is null or d.valid_to >= period_end)
where carried_over + received_online + received_other + before_due + on_due + late + open > 0
