-- The procedures that each agency offers on the last day with data of each affected period, with 1 or 0 for each property.
-- A procedure is eligible when citizens can use it online: at level 3 or 4, since Decree 42/2022/NĐ-CP partially or fully.
-- Needs the temporary tables period, affected and period_movement.
with last_day as (
    select distinct p.period, p.period_start, (p.as_of at time zone 'Asia/Ho_Chi_Minh')::date - 1 as last_on, coalesce(p.period_end > (
        select valid_from from shared.indicator_definition where kpi_id = 'online_share' and definition_version = '2.0'), false) as is_mode
    from affected join period p using (period, period_start) where period <> 'half_month'
), offered as (
    select o.organisation_id, o.service_code, p.period, p.period_start,
        coalesce(case when is_mode then online_mode in ('partial', 'full') else online_level >= 3 end, false) as is_eligible,
        coalesce(case when is_mode then online_mode = 'full' else online_level = 4 end, false) as is_full,
        coalesce(is_integrated_national, false) and coalesce(integrated_on <= last_on, true) as is_integrated
    from last_day p join shared.service_offering o on o.valid_from <= last_on and (o.valid_to is null or o.valid_to > last_on)
    -- when two versions are in force on that day, the newer one counts
    where not exists (select from shared.service_offering n where n.service_code = o.service_code and n.organisation_id = o.organisation_id
        and n.valid_from > o.valid_from and n.valid_from <= last_on and (n.valid_to is null or n.valid_to > last_on))
), offering as (
    -- grouped and not joined: a join of offerings with usage compares hundreds of millions of pairs when its size is misjudged
    select organisation_id, service_code, period, period_start, bool_or(is_eligible) as is_eligible, bool_or(is_full) as is_full,
        bool_or(is_integrated) as is_integrated, bool_or(is_used) as is_used, bool_or(is_used_online) as is_used_online
    from (
        select *, true as is_offered, false as is_used, false as is_used_online from offered
        union all
        select organisation_id, service_code, period, period_start, false, false, false, false, received_online + received_other > 0, received_online > 0
        from period_movement
    ) as use
    group by organisation_id, service_code, period, period_start having bool_or(is_offered)
)
select organisation_id, service_code, period, period_start, 1 as offered, is_eligible::int as eligible,
    (is_eligible and is_used)::int as eligible_used, (is_eligible and is_used_online)::int as eligible_used_online,
    (is_eligible and is_integrated)::int as eligible_integrated, (is_eligible and is_full)::int as eligible_full
from offering
