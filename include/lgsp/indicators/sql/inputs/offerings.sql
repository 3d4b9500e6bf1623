-- The procedures that each agency offers on the last day with data of each affected period, with 1 or 0 for each property.
-- A procedure is eligible when citizens can use it online: at level 3 or 4, since Decree 42/2022/NĐ-CP partially or fully.
-- Needs the temporary tables period, affected and period_movement.
select organisation_id, service_code, period, period_start, 1 as offered, is_eligible::int as eligible,
    (is_eligible and coalesce(is_used, false))::int as eligible_used, (is_eligible and coalesce(is_used_online, false))::int as eligible_used_online,
    (is_eligible and is_integrated)::int as eligible_integrated, (is_eligible and is_full)::int as eligible_full
from (
    select o.organisation_id, o.service_code, p.period, p.period_start,
        coalesce(case when is_mode then online_mode in ('partial', 'full') else online_level >= 3 end, false) as is_eligible,
        coalesce(case when is_mode then online_mode = 'full' else online_level = 4 end, false) as is_full,
        coalesce(is_integrated_national, false) and coalesce(integrated_on <= last_on, true) as is_integrated
    from (
        select distinct p.period, p.period_start, (p.as_of at time zone 'Asia/Ho_Chi_Minh')::date - 1 as last_on, coalesce(p.period_end > (
            select valid_from from shared.indicator_definition where kpi_id = 'online_share' and definition_version = '2.0'), false) as is_mode
        from affected join period p using (period, period_start) where period <> 'half_month'
    ) p join shared.service_offering o on o.valid_from <= last_on and (o.valid_to is null or o.valid_to > last_on)
    -- when two versions are in force on that day, the newer one counts
    where not exists (select from shared.service_offering n where n.service_code = o.service_code and n.organisation_id = o.organisation_id
        and n.valid_from > o.valid_from and n.valid_from <= last_on and (n.valid_to is null or n.valid_to > last_on))
) offer left join (
    select organisation_id, service_code, period, period_start, received_online + received_other > 0 as is_used, received_online > 0 as is_used_online from period_movement
) usage using (organisation_id, service_code, period, period_start)
