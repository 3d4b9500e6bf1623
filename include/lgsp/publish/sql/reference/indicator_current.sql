-- One version of each indicator: the newest that has begun, or the first where none has.
with data_day as (
    ${data_day}
)
select distinct on (v.kpi_id)
    v.kpi_id, v.definition_version, v.table_name, v.name_vi, v.name_en, v.numerator_vi, v.numerator_en, v.denominator_vi, v.denominator_en,
    v.excluded_vi, v.excluded_en, v.unit, v.is_higher_better, v.valid_from, v.valid_to, v.legal_basis, v.batch_id
from shared.indicator_definition v cross join data_day
order by v.kpi_id, v.valid_from <= day_on desc nulls last, case when v.valid_from <= day_on then v.valid_from end desc, v.valid_from
