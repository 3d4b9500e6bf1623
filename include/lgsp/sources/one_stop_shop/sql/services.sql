-- The procedures that the source lists. Time is in days or in hours of an eight-hour day.
select procedure_base(code) as service_code, translate as name, sector.code as field_code, sector.name as field_name,
    agencyLevel.code as level, procedureLevel.id as online_level, isIntegratedNational as is_integrated_national,
    local_day(integratedDate) as integrated_on, processingTime / case when processingTimeUnit = 'h' then 8 else 1 end as standard_days,
    null::date as valid_from, case when not isActive then local_day(modifiedDate) end as valid_to, raw_pointer
from procedures
