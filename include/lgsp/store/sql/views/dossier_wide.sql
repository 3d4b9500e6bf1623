-- Dossiers with names. Every join is by a unique key, or by the one version of a code on a day: no dossier is doubled or lost.
select d.*, receiving.name as receiving_organisation_name, receiving.name_sort as receiving_organisation_name_sort,
    receiving.level as receiving_organisation_level,
    competent.name as competent_organisation_name, s.name as service_name, s.field_code, s.field_name,
    unit.name as admin_unit_name, unit_now.name as admin_unit_now_name, applicant_unit.name as applicant_admin_unit_name
from ${dossier} d
left join ${organisation_current} receiving on receiving.organisation_id = d.receiving_organisation_id
left join ${organisation_current} competent on competent.organisation_id = d.competent_organisation_id
left join ${service_current} s on s.service_code = d.service_code
left join ${admin_unit} unit on unit.admin_unit_code = d.admin_unit_code
    and unit.valid_from <= d.opened_on and (unit.valid_to is null or d.opened_on < unit.valid_to)
left join ${admin_unit_current} unit_now on unit_now.admin_unit_code = d.admin_unit_code_now
left join ${admin_unit} applicant_unit on applicant_unit.admin_unit_code = d.applicant_admin_unit_code
    and applicant_unit.valid_from <= d.opened_on and (applicant_unit.valid_to is null or d.opened_on < applicant_unit.valid_to)
