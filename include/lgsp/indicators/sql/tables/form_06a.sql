-- Form II.06a: dossiers to process, finished and still open, by agency, field and period.
-- Needs the temporary tables period, affected and period_balance.
select organisation_id, field_code, period, period_start,
    received_online + received_other + carried_over as received_total, received_online, received_other as received_counter_postal,
    carried_over as received_carried_over,
    before_due + on_due + late as finished_total, before_due as finished_before_due, on_due as finished_on_due, late as finished_late,
    open as open_total, open - overdue as open_within_due, overdue as open_late,
    d.definition_version, null::text as batch_id
from affected join period using (period, period_start) join period_balance using (organisation_id, period, period_start)
join shared.indicator_definition d on d.kpi_id = 'form_06a' and d.valid_from < period_end and (d.valid_to is null or d.valid_to >= period_end)
where carried_over + received_online + received_other + before_due + on_due + late + open > 0
