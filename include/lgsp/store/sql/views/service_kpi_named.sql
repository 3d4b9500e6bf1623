-- The ratios with the names of agency and indicator; the indicator as the definition of the row names it.
select k.*, k.organisation_id = 'ALL' as is_total, case when k.organisation_id = 'ALL' then 'Toàn tỉnh' else o.name end as organisation_name,
    o.name_sort as organisation_name_sort, i.name_vi as kpi_name_vi, i.name_en as kpi_name_en, i.unit, i.is_higher_better
from ${service_kpi} k
left join ${organisation_current} o using (organisation_id)
left join ${indicator_definition} i using (kpi_id, definition_version)
