-- Whose indicators of which periods a publication may have changed; the province's of a period with anybody's.
-- Needs the temporary tables clock, period and moved; ${snapshot_id} is the publication's number.
create temporary table affected on commit drop as
with version as (
    select organisation_id, name, level, kind, admin_unit_code, valid_from, valid_to, true as is_new from shared.organisation where snapshot_id = ${snapshot_id}
    union all select organisation_id, name, level, kind, admin_unit_code, valid_from, valid_to, false from history.organisation where snapshot_to = ${snapshot_id}
), everyone as (
    select organisation_id from shared.organisation union select organisation_id from version
    union select organisation_id from record.movement where span = 'month'
), felt as (
    -- what stays open is carried over into every later period
    select organisation_id, day_on,
        bool_or(received_online + received_other <> ended_before_due + ended_on_due + ended_late or lapsed <> ended_overdue) as is_lasting
    from moved, clock
    -- a dossier that ended overdue had gone overdue all the same: that it ended says something new of later days alone
    where is_beside_lapsing or day_on >= (as_of at time zone 'Asia/Ho_Chi_Minh')::date
    group by organisation_id, day_on
), other_agency as (
    select organisation_id from version group by organisation_id, name, level, kind, admin_unit_code, valid_from, valid_to having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), procedure as (
    select service_code, valid_from, field_code, true as is_new from shared.service where snapshot_id = ${snapshot_id}
    union all select service_code, valid_from, field_code, false from history.service where snapshot_to = ${snapshot_id}
), other_field as (
    select service_code from procedure group by service_code, valid_from, field_code having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), offering as (
    select organisation_id, service_code, valid_from, valid_to, online_level, online_mode, is_integrated_national, integrated_on, true as is_new from shared.service_offering where snapshot_id = ${snapshot_id}
    union all select organisation_id, service_code, valid_from, valid_to, online_level, online_mode, is_integrated_national, integrated_on, false from history.service_offering where snapshot_to = ${snapshot_id}
), other_offering as (
    select organisation_id, valid_from, coalesce(valid_to, 'infinity') as valid_to from offering
    group by organisation_id, service_code, valid_from, valid_to, online_level, online_mode, is_integrated_national, integrated_on
    having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), catalogue as (
    select range_agg(daterange(valid_from, valid_to)) filter (where is_there) as now, range_agg(daterange(valid_from, valid_to)) filter (where was_there) as before
    from (
        select valid_from, valid_to, true as is_there, snapshot_id <> ${snapshot_id} as was_there from shared.service_offering
        union all select valid_from, valid_to, false, true from history.service_offering where snapshot_to = ${snapshot_id}
    ) o where valid_from < coalesce(valid_to, 'infinity') and exists (select from other_offering)
), turned as (
    -- reached for the first time, or no more, or further than before; or covered by other windows
    select period, period_start from period p full join record.indicator_period k using (period, period_start)
    where (p.as_of, p.is_covered) is distinct from (k.as_of, k.is_covered)
    union
    -- what is offered in it is known for the first time, or no more: who is asked what was received depends on it
    select period, period_start from period cross join catalogue
    where coalesce(now && daterange(period_start, period_end), false) <> coalesce(before && daterange(period_start, period_end), false)
), found as (
    select organisation_id, period, period_start from turned cross join everyone
    union
    select organisation_id, period, period_start from felt f join period p on p.period_end > f.day_on and (p.period_start <= f.day_on or f.is_lasting)
    union
    select organisation_id, period, period_start from period cross join (
        select organisation_id from other_agency
        union select organisation_id from record.movement where span = 'month' and service_code in (select service_code from other_field)
    ) otherwise
    union
    -- what is offered counts on the last day that a period reaches; who offers anything on one of its days is asked what was received
    select organisation_id, period, period_start from other_offering join period on valid_from < period_end and valid_to > period_start
)
select * from found union select 'ALL', period, period_start from found union select 'ALL', period, period_start from turned
