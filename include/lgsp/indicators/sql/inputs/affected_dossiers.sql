-- The agencies and periods whose indicators a publication may have changed; the province is affected whenever an agency is.
-- Needs the temporary tables clock, period and dossier_movement_change; ${snapshot_id} is the number of the publication.
create temporary table affected on commit drop as
with organisation_version as (
    select organisation_id, name, level, kind, admin_unit_code, valid_from, valid_to, successor_id, true as is_new from shared.organisation where snapshot_id = ${snapshot_id}
    union all select organisation_id, name, level, kind, admin_unit_code, valid_from, valid_to, successor_id, false from history.organisation where snapshot_to = ${snapshot_id}
), agency as (
    select organisation_id from shared.organisation union select organisation_id from organisation_version
    union select organisation_id from record.movement where span = 'month'
), changed_day as (
    -- a change in the number of open dossiers is carried over into every later period
    select organisation_id, day_on,
        bool_or(received_online + received_other <> ended_before_due + ended_on_due + ended_late or lapsed <> ended_overdue) as is_carried_over
    from dossier_movement_change, clock
    -- when a dossier ends overdue, only `lapsing` changes on its due day; that matters only for days after the clock
    where has_other_changes or day_on >= (as_of at time zone 'Asia/Ho_Chi_Minh')::date
    group by organisation_id, day_on
), changed_organisation as (
    select organisation_id from organisation_version group by organisation_id, name, level, kind, admin_unit_code, valid_from, valid_to, successor_id having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), service_version as (
    select service_code, valid_from, field_code, true as is_new from shared.service where snapshot_id = ${snapshot_id}
    union all select service_code, valid_from, field_code, false from history.service where snapshot_to = ${snapshot_id}
), changed_service as (
    select service_code from service_version group by service_code, valid_from, field_code having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), offering_version as (
    select organisation_id, service_code, valid_from, valid_to, online_level, online_mode, is_integrated_national, integrated_on, true as is_new from shared.service_offering where snapshot_id = ${snapshot_id}
    union all select organisation_id, service_code, valid_from, valid_to, online_level, online_mode, is_integrated_national, integrated_on, false from history.service_offering where snapshot_to = ${snapshot_id}
), changed_offering as (
    select organisation_id, valid_from, coalesce(valid_to, 'infinity') as valid_to from offering_version
    group by organisation_id, service_code, valid_from, valid_to, online_level, online_mode, is_integrated_national, integrated_on
    having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), offered_days as (
    select range_agg(daterange(valid_from, valid_to)) filter (where is_offered_now) as now, range_agg(daterange(valid_from, valid_to)) filter (where was_offered_before) as before
    from (
        select valid_from, valid_to, true as is_offered_now, snapshot_id <> ${snapshot_id} as was_offered_before from shared.service_offering
        union all select valid_from, valid_to, false, true from history.service_offering where snapshot_to = ${snapshot_id}
    ) o where valid_from < coalesce(valid_to, 'infinity') and exists (select from changed_offering)
), changed_period as (
    -- the data reach a period for the first time, no longer, or further than before; or other windows cover it
    select period, period_start from period p full join record.indicator_period k using (period, period_start)
    where (p.as_of, p.is_covered) is distinct from (k.as_of, k.is_covered)
    union
    -- offerings in the period are known for the first time, or no longer: they decide which agencies zero_activity lists
    select period, period_start from period cross join offered_days
    where coalesce(now && daterange(period_start, period_end), false) <> coalesce(before && daterange(period_start, period_end), false)
), affected_agency as (
    select organisation_id, period, period_start from changed_period cross join agency
    union
    select organisation_id, period, period_start from changed_day f join period p on p.period_end > f.day_on and (p.period_start <= f.day_on or f.is_carried_over)
    union
    -- dossiers of a successor from days before it existed were those of its predecessor
    select o.organisation_id, period, period_start from changed_day f join shared.organisation o on o.successor_id = f.organisation_id
    join period p on p.period_start <= f.day_on and p.period_end > f.day_on
    union
    select organisation_id, period, period_start from period cross join (
        select organisation_id from changed_organisation
        union select organisation_id from record.movement where span = 'month' and service_code in (select service_code from changed_service)
    ) redefined_agency
    union
    -- an offering counts on the last day with data of a period; zero_activity lists agencies that offered a procedure on any of its days
    select organisation_id, period, period_start from changed_offering join period on valid_from < period_end and valid_to > period_start
)
select * from affected_agency union select 'ALL', period, period_start from affected_agency union select 'ALL', period, period_start from changed_period
