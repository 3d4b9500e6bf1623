-- Dossier records in the shared language, from the records of a source (`source_dossier`).
-- Needs organisation, organisation_place, agency_code_match, spelling_match, spelling_key, known_service, applicant_place and the macros.
with versioned as (
    -- without a change time, or with one in the future, the version of a record is as new as the newest of its own dates
    select * replace (case when is_undated then greatest(created_at, received_at, finished_at, returned_at, withdrawn_at, refused_at) else source_updated_at end as source_updated_at)
    from (select *, coalesce(source_updated_at >= ${latest}, source_updated_at is null) as is_undated from source_dossier)
),
placed as (
    select *, coalesce(local_day(received_at), local_day(submitted_at), local_day(source_updated_at)) as place_on from versioned
),
resolved as (  -- noqa: ST03
    select
        r.* replace (
            coalesce(known.service_code, 'UNKNOWN') as service_code,
            -- when several agencies have this name, the agency code in the dossier number decides
            coalesce(by_code.organisation_id, by_name.organisation_id, by_number.organisation_id, 'UNKNOWN') as receiving_organisation_id,
            coalesce(competent.organisation_id, competent_name.organisation_id) as competent_organisation_id,
            competent_key.stored_key as competent_name
        ),
        by_code.code as organisation_code,
        by_code.code as agency_code, spelling_key.stored_key as agency_name, competent.code as competent_code,
        procedure_base(r.service_source) as procedure_code, r.source_updated_at as named_at
    from placed r
    left join known_service known on known.service_code = procedure_base(r.service_source)
    left join agency_code_match by_code on by_code.sent = r.organisation_source
    left join spelling_match by_name on by_name.alias = r.organisation_name
        and (by_name.valid_from is null or r.place_on >= by_name.valid_from) and (by_name.valid_to is null or r.place_on < by_name.valid_to)
    left join spelling_key on spelling_key.alias = r.organisation_name
    left join spelling_key competent_key on competent_key.alias = r.competent_name
    left join organisation by_number on by_number.key = spelling_key.key and by_number.organisation_id =
        case when by_code.organisation_id is null then organisation_code(regexp_extract(code_key(r.source_code), '^(.*)-\d{6}-\d+$', 1)) end
    left join agency_code_match competent on competent.sent = r.competent_source
    left join spelling_match competent_name on competent_name.alias = r.competent_name
        and (competent_name.valid_from is null or r.place_on >= competent_name.valid_from)
        and (competent_name.valid_to is null or r.place_on < competent_name.valid_to)
),
reported_twice as (  -- noqa: ST03
    select source_key, source_updated_at from versioned group by all having min(raw_hash) <> max(raw_hash)
),
record as (
    select
        d.* replace (
            case when is_dossier_code(code_key(d.other_code)) and code_key(d.other_code) is distinct from code_key(d.source_code) then d.other_code end as other_code,
            place.admin_unit_code as admin_unit_code, place.admin_unit_code_now as admin_unit_code_now,
            applicant_place.admin_unit_code as applicant_admin_unit_code,
            coalesce(d.channel, 'unknown') as channel,
            case when d.channel = 'counter' then 'counter' when d.channel = 'online' then d.submitted_via end as submitted_via,
            case when d.online_level between 2 and 4 then d.online_level end as online_level,
            case when d.status in ('withdrawn', 'not_accepted') then coalesce(d.withdrawn_at, d.refused_at, d.closing_step_at, d.source_updated_at) end as closed_at,
            case when d.fee_vnd >= 0 then d.fee_vnd end as fee_vnd,
            case when d.satisfaction between 1 and 5 then d.satisfaction end as satisfaction,
            to_json(list_sort(list_transform(
                list_filter(d.events, lambda e: e.occurred_at is not null and e.status is not null),
                lambda e: {'t': epoch_us(e.occurred_at), 's': e.status, 'i': e.is_inferred,
                    'o': case when e.organisation_source = d.organisation_source then d.organisation_code else organisation_code(e.organisation_source) end}
            )))::varchar as events,
            to_json(list_transform(d.supplements, lambda b: {'f': epoch_us(b.since), 'u': epoch_us(b.until)}))::varchar as supplements
        ),
        case when d.status not in ('withdrawn', 'not_accepted') then null when d.withdrawn_at is not null then 'withdrawal' when d.refused_at is not null then 'refusal'
            when d.closing_step_at is not null then 'step' else 'change' end as closed_at_basis,
        -- from the procedure and agency that the source sent, known or not; null when a part is missing, so that it links nothing;
        -- a hash, because a receipt number may contain personal data
        md5(d.receipt_code || '|' || coalesce(procedure_base(d.service_source), nonempty(d.service_source)) || '|'
            || coalesce(d.organisation_code, nullif(d.receiving_organisation_id, 'UNKNOWN')) || '|'
            || local_day(d.received_at)::varchar) as receipt_key,

        -- for the rules and for schema `restricted`; not part of the record
        not coalesce(d.online_level between 2 and 4 and d.fee_vnd >= 0 and d.satisfaction between 1 and 5, true) as is_out_of_range,
        d.other_code is not null and not is_dossier_code(code_key(d.other_code)) as is_other_code_odd,
        d.step_times is distinct from list_sort(d.step_times) as is_disordered,  -- noqa: PRS
        twice.source_key is not null as is_reported_twice, is_day_off(local_day(d.due_at)) as is_due_on_day_off,  -- noqa: PRS
        -- work after the finish: a pause that was sent as a finish, or a finish that was sent at receipt
        least(d.finished_at, list_min(list_transform(list_filter(d.events, lambda e: e.status = 'finished'), lambda e: e.occurred_at)))
            < list_max(list_transform(list_filter(d.events, lambda e: is_at_work(e.status)), lambda e: e.occurred_at)) as is_worked_on_after_finish,
        local_day(d.submitted_at) as submitted_on, local_day(d.received_at) as received_on,
        coalesce(place.valid_to <= d.place_on, false) or coalesce(applicant_place.is_outdated, false) as is_unit_outdated,
        coalesce(applicant_place.is_outdated, false) as is_applicant_unit_outdated,
        (coalesce(is_test_procedure(lower(d.service_source)), false) or coalesce(is_test_service(lower(d.service_name)), false) or coalesce(is_test_agency(lower(d.organisation_source)), false)
            or coalesce(is_test_applicant(lower(d.applicant_name)), false) or coalesce(is_test_email(lower(d.email)), false)) as is_test,
        token(d.identity_number) as applicant_token,
        phone_token(d.phone) as phone_token
    from resolved d
    asof left join organisation_place place
        on place.organisation_id = d.receiving_organisation_id and d.place_on >= place.valid_from
    left join applicant_place on applicant_place.code = d.applicant_unit
        and applicant_place.name is not distinct from d.applicant_unit_name and applicant_place.span = reform(d.place_on)
    left join reported_twice twice on twice.source_key = d.source_key and twice.source_updated_at = d.source_updated_at
)
select
    source_key, source_updated_at, raw_pointer, raw_hash, source_code, other_code, receipt_key, is_deleted,
    agency_code, agency_name, competent_code, competent_name, procedure_code, named_at, is_applicant_unit_outdated, ${columns}, events, supplements, closed_at_basis, repairs,
    is_out_of_range, is_other_code_odd, unknown_codes, is_disordered, service_source, organisation_source, is_reported_twice, is_due_on_day_off,
    is_worked_on_after_finish, is_undated, submitted_on, received_on, is_unit_outdated, is_test, applicant_token, phone_token
from record
