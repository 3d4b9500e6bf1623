-- The official class and colour of the province, each district and each commune, by the index and by the on-time ratio.
-- Needs shared.index_766 and shared.service_kpi of this publication, and the temporary tables period and affected.
with requested_period as (
    select p.period, p.period_start, p.period_end - 1 as last_on
    from (select distinct period, period_start from affected) a join period p using (period, period_start) where p.period in ('month', 'quarter', 'half_year', 'year')
), serving_agency as (
    select a.*, o.organisation_id, o.admin_unit_code, o.level, o.kind, o.valid_from
    from requested_period a join shared.organisation o on o.valid_from <= a.last_on and (o.valid_to is null or o.valid_to > a.last_on)
    where o.admin_unit_code is not null
), province as (
    -- the province is the territory that most of its departments serve
    select period, period_start, last_on, 'ALL' as organisation_id, 'ALL' as level, mode() within group (order by admin_unit_code) as admin_unit_code
    from serving_agency where level = 'province' group by 1, 2, 3, 4
), committee as (
    select distinct on (period, period_start, admin_unit_code) period, period_start, last_on, organisation_id, level, admin_unit_code
    from serving_agency where kind = 'peoples_committee' and level in ('district', 'commune')
    order by period, period_start, admin_unit_code, valid_from desc, organisation_id
), territory as (
    select * from province union all
    select * from committee c where not exists (select from province p where (p.period, p.period_start, p.admin_unit_code) = (c.period, c.period_start, c.admin_unit_code))
), measured_territory as (
    -- decimals: 9 of 10 is exactly 90, and 17,999 of 20,000 is less
    select t.*, d.definition_version, m.kpi_id as metric, v.numerator, v.denominator, coalesce(v.excluded_count, 0) as excluded_count,
        coalesce(v.quarantined_count, 0) as quarantined_count, v.coverage, 100::numeric(40, 20) * v.numerator::numeric / nullif(v.denominator::numeric, 0) as value
    from territory t
    join shared.indicator_definition m on m.kpi_id in ('index_766', 'on_time') and m.valid_from <= t.last_on and (m.valid_to is null or m.valid_to > t.last_on)
    join shared.indicator_definition d on d.kpi_id = 'institution_map' and d.valid_from <= t.last_on and (d.valid_to is null or d.valid_to > t.last_on)
    -- looked up row by row: the rows of this publication have no statistics that would make a join fast
    left join lateral (
        (select points as numerator, maximum as denominator, excluded_count, quarantined_count, coverage from shared.index_766 i
         where m.kpi_id = 'index_766' and (i.organisation_id, i.period, i.period_start, i.component) = (t.organisation_id, t.period, t.period_start, 'total') limit 1)
        union all
        (select numerator, denominator, excluded_count, quarantined_count, 1 from shared.service_kpi k
         where m.kpi_id = 'on_time' and (k.kpi_id, k.organisation_id, k.level, k.period, k.period_start) = ('on_time', t.organisation_id, t.level, t.period, t.period_start) limit 1)
    ) v on true
)
select admin_unit_code, period, period_start, metric, organisation_id, numerator, denominator, value::double precision,
    coalesce(c.class, 'no_data') as class, coalesce(c.colour, '#9AA5B1') as colour,
    coverage, excluded_count, quarantined_count, definition_version, null::text as batch_id
from measured_territory left join lateral (
    select scope as class, colour from shared.indicator_threshold h
    -- an index of few components says too little for a class
    where coverage >= (select b.value from shared.indicator_threshold b where b.threshold_id = 'index_coverage' and b.valid_from <= last_on and (b.valid_to is null or b.valid_to > last_on))
        and h.threshold_id = 'institution_class' and measured_territory.value >= h.value::numeric and h.valid_from <= last_on and (h.valid_to is null or h.valid_to > last_on)
    order by h.value desc, scope limit 1
) c on true
