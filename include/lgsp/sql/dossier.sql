-- From `dossier_read` (one row for each record as its source tells it) to a record in the shared language.
-- Needs: organisation, organisation_key, organisation_place, known_service, admin_unit_code, test_* and dummy macros.
with resolved as (
    select
        r.*,
        coalesce(known.service_code, 'UNKNOWN') as service_code,
        coalesce(by_code.organisation_id, by_name.organisation_id, 'UNKNOWN') as receiving_organisation_id,
        coalesce(competent.organisation_id, competent_name.organisation_id) as competent_organisation_id,
        coalesce(local_day(r.received_at), local_day(r.submitted_at), local_day(r.source_updated_at)) as place_on
    from dossier_read r
    left join known_service known on known.service_code = procedure_base(r.service_source)
    left join organisation by_code on by_code.organisation_id = organisation_code(r.organisation_source)
    left join spelling on spelling.alias = r.organisation_name
    left join organisation_key by_name on by_name.key = spelling.key
    left join organisation competent on competent.organisation_id = organisation_code(r.competent_source)
    left join spelling competent_spelling on competent_spelling.alias = r.competent_name
    left join organisation_key competent_name on competent_name.key = competent_spelling.key
)
select
    d.source_key, d.source_updated_at, d.raw_pointer, d.raw_hash,
    d.source_code, nullif(d.other_code, d.source_code) as other_code,
    -- by what the source says of procedure and agency, known or not; nothing missing may make two alike
    d.receipt_code || '|' || coalesce(procedure_base(d.service_source), filled(d.service_source)) || '|'
        || coalesce(organisation_code(d.organisation_source), nullif(d.receiving_organisation_id, 'UNKNOWN')) || '|'
        || local_day(d.received_at)::varchar as receipt_key,
    d.is_deleted,
    d.service_code, d.receiving_organisation_id, d.competent_organisation_id,
    place.admin_unit_code, place.admin_unit_code_now,
    known_unit.code as applicant_admin_unit_code,
    d.applicant_kind, coalesce(d.channel, 'unknown') as channel,
    case when d.channel = 'counter' then 'counter' when d.channel = 'online' then d.submitted_via end as submitted_via,
    d.return_method, d.online_level, d.is_identity_verified,
    d.submitted_at, d.received_at, d.due_first_at, d.due_at, d.finished_at, d.returned_at,
    case when d.status in ('withdrawn', 'not_accepted') then coalesce(d.closed_at, d.source_updated_at) end as closed_at,
    d.status,
    d.extension_count, d.supplement_count, d.has_digital_result,
    d.digitised_component_count, d.reused_component_count, d.fee_vnd, d.is_paid_online, d.satisfaction,
    to_json(list_sort(list_transform(
        list_filter(d.events, lambda e: e.occurred_at is not null and e.status is not null),
        lambda e: {'t': epoch_us(e.occurred_at), 's': e.status, 'o': organisation_code(e.organisation_source), 'i': e.is_inferred}
    )))::varchar as events,

    -- for the rules and the restricted side; not part of the record
    d.status_source, d.service_source, d.organisation_source, d.channel_source,
    local_day(d.submitted_at) as submitted_on, local_day(d.received_at) as received_on,
    coalesce(place.valid_to <= d.place_on, false) as is_unit_outdated,
    (coalesce(is_test_procedure(lower(d.service_source)), false) or coalesce(is_test_service(lower(d.service_name)), false) or coalesce(is_test_agency(lower(d.organisation_source)), false)
        or coalesce(is_test_applicant(lower(d.applicant_name)), false) or coalesce(is_test_email(lower(d.email)), false)) as is_test,
    coalesce(is_dummy_identity(d.identity_number), false) as is_identity_dummy,
    case when d.identity_number is not null and not is_dummy_identity(d.identity_number) then token(d.identity_number) end as applicant_token
from resolved d
asof left join organisation_place place
    on place.organisation_id = d.receiving_organisation_id and d.place_on >= place.valid_from
left join known_unit on known_unit.code = d.applicant_unit
