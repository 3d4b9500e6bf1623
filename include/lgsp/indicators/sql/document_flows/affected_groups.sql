-- Add the agencies whose document movements changed, in every period that contains the day; half-months are used for dossiers only.
insert into affected
with affected_agency as (
    select distinct organisation_id, period, period_start
    from document_movement_change join period on day_on >= period_start and day_on < period_end and period <> 'half_month'
)
(select organisation_id, period, period_start from affected_agency union select 'ALL', period, period_start from affected_agency)
except select organisation_id, period, period_start from affected
