-- Indicators of the document system, by period: for (ALL, ALL), (ALL, each level) and (agency, its level). Reported figures are
-- divided by the number of documents sent. Needs the temporary tables period, affected and period_span.
with agency as (
    select organisation_id, min(level) as level, min(valid_from) as first_on, max(coalesce(valid_to, 'infinity')) as ended_on
    from shared.organisation group by 1
), agency_movement as (
    select organisation_id, period, period_start, sum(sent) as sent, sum(sent_paperless) as sent_paperless, sum(sent_signed) as sent_signed,
        sum(sent_deliveries) as sent_deliveries, sum(received) as received, sum(received_excluded) as received_excluded,
        sum(received_in_time) as received_in_time, sum(files_opened) as files_opened, sum(files_electronic) as files_electronic, sum(held_papers) as quarantined
    from record.paper_movement join period_span using (span, since_on) where period <> 'half_month' group by 1, 2, 3
), total as (
    select period, period_start,
        case when grouping(organisation_id) = 1 then 'ALL' else organisation_id end as organisation_id,
        case when grouping(level) = 1 then 'ALL' else level end as level,
        sum(sent) as sent, sum(sent_paperless) as sent_paperless, sum(sent_signed) as sent_signed, sum(sent_deliveries) as sent_deliveries,
        sum(received) as received, sum(received_excluded) as received_excluded, sum(received_in_time) as received_in_time,
        sum(files_opened) as files_opened, sum(files_electronic) as files_electronic, sum(quarantined) as quarantined
    from agency_movement left join agency using (organisation_id)
    group by grouping sets ((period, period_start), (period, period_start, level), (period, period_start, level, organisation_id))
), reporting_unit as (
    select p.period, p.period_start, p.period_end, organisation_id, level, first_on < period_end and ended_on > period_start as is_in_force
    from (select organisation_id, level, first_on, ended_on from agency
          union all select 'ALL', level, '-infinity', 'infinity' from agency group by level
          union all select 'ALL', 'ALL', '-infinity', 'infinity') as unit_level
    join affected using (organisation_id) join period p using (period, period_start)
    where period <> 'half_month'
), reported_amount as (
    -- a figure reported for the province belongs to (ALL, ALL) only, not to each level
    select period, period_start, organisation_id, level, sum(amount) filter (where indicator_id = 'hours_saved') as hours,
        sum(amount) filter (where indicator_id = 'vnd_saved') as vnd
    from shared.manual_indicator
    join (select organisation_id, level from agency union all select 'ALL', 'ALL') unit_level using (organisation_id)
    group by 1, 2, 3, 4
), measured as (
    select reporting_unit.*, k.*, coalesce(quarantined, 0) as quarantined_count
    from reporting_unit left join total using (period, period_start, organisation_id, level) left join reported_amount using (period, period_start, organisation_id, level)
    cross join lateral (values
        ('sent', coalesce(sent, 0), 1, 0),
        ('sent_deliveries', coalesce(sent_deliveries, 0), 1, 0),
        ('received', coalesce(received, 0), 1, 0),
        ('paperless', coalesce(sent_paperless, 0), coalesce(sent, 0), 0),
        ('signed', coalesce(sent_signed, 0), coalesce(sent, 0), 0),
        ('accepted_in_time', coalesce(received_in_time, 0), coalesce(received - received_excluded, 0), coalesce(received_excluded, 0)),
        ('work_file_electronic', coalesce(files_electronic, 0), coalesce(files_opened, 0), 0),
        ('claimed_hours_per_document', hours, coalesce(sent, 0), 0),
        ('claimed_vnd_per_document', vnd, coalesce(sent, 0), 0)
    ) as k(kpi_id, numerator, denominator, excluded_count)
    -- an agency that ended has rows only for periods with movements or reported figures
    where k.numerator is not null and (is_in_force or total.sent is not null or reported_amount.hours is not null or reported_amount.vnd is not null)
), threshold as (
    select distinct on (period_end, threshold_id, scope) period_end, threshold_id, scope, value
    from (select distinct period_end from reporting_unit) e
    join shared.indicator_threshold t on t.valid_from < period_end and (t.valid_to is null or t.valid_to >= period_end)
    order by period_end, threshold_id, scope, valid_from desc
), computed as (
    select measured.*, d.unit, d.definition_version, numerator::double precision / nullif(denominator, 0) as value
    from measured join shared.indicator_definition d using (kpi_id)
    where d.valid_from < period_end and (d.valid_to is null or d.valid_to >= period_end)  -- in force on the period's last day
)
select kpi_id, organisation_id, level, period, period_start, numerator::bigint as numerator, denominator::bigint as denominator, v.value, unit,
    target.value as target, coalesce(v.value <= implausible.value, true) as is_plausible,
    excluded_count::bigint as excluded_count, quarantined_count::bigint as quarantined_count, definition_version, null::text as batch_id
from computed v
left join threshold target on target.period_end = v.period_end and target.threshold_id = 'target' and target.scope = kpi_id || '/' || level
left join threshold implausible on implausible.period_end = v.period_end and implausible.threshold_id = 'implausible_above' and implausible.scope = kpi_id
