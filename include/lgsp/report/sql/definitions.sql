-- The definitions and the legal basis of the indicators in this report.
select kpi_id, definition_version, unit, is_higher_better, name_vi, name_en, numerator_vi, numerator_en, denominator_vi, denominator_en,
    excluded_vi, excluded_en, legal_basis, valid_from
from history.indicator_definition_as_of(${snapshot})
where valid_from < ${end} and coalesce(valid_to, 'infinity') >= ${end}
order by table_name desc, kpi_id
