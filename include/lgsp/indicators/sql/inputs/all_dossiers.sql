-- All agencies and the province, in all periods. Needs the temporary table period.
create temporary table affected on commit drop as
select organisation_id, period, period_start from period cross join (
    select organisation_id from shared.organisation union select organisation_id from record.movement where span = 'month' union select 'ALL'
) agency
