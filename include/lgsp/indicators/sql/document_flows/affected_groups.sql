-- Whose papers moved, in every period that holds the day; half months are of dossiers alone.
insert into affected
with found as (
    select distinct organisation_id, period, period_start
    from paper_moved join period on day_on >= period_start and day_on < period_end and period <> 'half_month'
)
(select organisation_id, period, period_start from found union select 'ALL', period, period_start from found)
except select organisation_id, period, period_start from affected
