-- Linked dossiers, as a pure function of the latest living records of their link groups.
-- Needs `member` (every record with the `label` of its group); makes dossier, dossier_event, dossier_source, reconciliation.

create table latest as
    select * from member
    qualify row_number() over (partition by label, source order by source_updated_at desc, content_hash desc) = 1;

create table pair as
    select label, o, p, coalesce(o.source_code, p.source_code) as dossier_id, o is not null as has_o, p is not null as has_p,
        case when o is not null then o else p end as lead
    from (select label, latest as o from latest where source = 'one_stop_shop') a
    full join (select label, latest as p from latest where source <> 'one_stop_shop') b using (label);

-- One attribute after the other: which value each system has. The one-stop-shop leads, but for `online`.
create table reconciliation as
    select dossier_id, attribute, one_stop_value, online_services_value,
        case when attribute = 'channel' and online_services_value = 'online' then online_services_value else one_stop_value end as published_value,
        case when attribute = 'channel' and online_services_value = 'online' then 'online_services' else 'one_stop_shop' end as published_from,
        batch_id
    from (
        select dossier_id, greatest(o.batch_id, p.batch_id) as batch_id,
            unnest(['status', 'channel', 'service_code', 'receiving_organisation_id', 'applicant_kind', 'online_level', 'return_method',
                'fee_vnd', 'is_paid_online', 'submitted_at', 'received_at', 'due_at', 'finished_at', 'returned_at']) as attribute,
            unnest([o.status, nullif(o.channel, 'unknown'), nullif(o.service_code, 'UNKNOWN'), nullif(o.receiving_organisation_id, 'UNKNOWN'),
                o.applicant_kind, o.online_level::varchar, o.return_method, o.fee_vnd::varchar, o.is_paid_online::varchar,
                iso(o.submitted_at), iso(o.received_at), iso(o.due_at), iso(o.finished_at), iso(o.returned_at)]) as one_stop_value,
            unnest([p.status, nullif(p.channel, 'unknown'), nullif(p.service_code, 'UNKNOWN'), nullif(p.receiving_organisation_id, 'UNKNOWN'),
                p.applicant_kind, p.online_level::varchar, p.return_method, p.fee_vnd::varchar, p.is_paid_online::varchar,
                iso(p.submitted_at), iso(p.received_at), iso(p.due_at), iso(p.finished_at), iso(p.returned_at)]) as online_services_value
        from pair where has_o and has_p
    )
    where one_stop_value <> online_services_value;

create table dossier_event as
    select dossier_id, row_number() over (partition by dossier_id order by t, step_rank(s), s, coalesce(o, '')) as event_seq,
        s as status, make_timestamptz(t) as occurred_at, o as organisation_id, source, i as is_inferred, source_updated_at, batch_id
    from (
        select dossier_id, lead.source as source, lead.source_updated_at as source_updated_at, lead.batch_id as batch_id,
            unnest(from_json(lead.events, '[{"t": "BIGINT", "s": "VARCHAR", "o": "VARCHAR", "i": "BOOLEAN"}]'), recursive := true)
        from pair
    );

-- how long each clock stood still; a pause that goes on is counted when it has ended
create table paused as from paused_dossiers('dossier_event', null::timestamptz);
create table stood_still as from pauses_of('dossier_event');

create table dossier as
    select
        dossier_id, lead.service_code as service_code, lead.receiving_organisation_id as receiving_organisation_id,
        lead.competent_organisation_id as competent_organisation_id,
        lead.admin_unit_code as admin_unit_code, lead.admin_unit_code_now as admin_unit_code_now,
        lead.applicant_admin_unit_code as applicant_admin_unit_code, lead.applicant_kind as applicant_kind,
        case when p.channel = 'online' then 'online' else lead.channel end as channel,
        coalesce(p.submitted_via, o.submitted_via) as submitted_via,
        lead.return_method as return_method, lead.online_level as online_level,
        ['information', 'partial', 'full'][lead.online_level - 1] as online_mode,
        p.is_identity_verified as is_identity_verified,
        lead.submitted_at as submitted_at, lead.received_at as received_at, lead.due_first_at as due_first_at, lead.due_at as due_at,
        lead.finished_at as finished_at, lead.returned_at as returned_at, lead.closed_at as closed_at,
        coalesce(local_day(lead.received_at), local_day(lead.submitted_at), local_day(lead.source_updated_at)) as opened_on,
        local_day(lead.received_at) as received_on, local_day(lead.due_at) as due_on, local_day(lead.finished_at) as finished_on,
        lead.status as status,
        lead.status in ('supplement_requested', 'payment_requested', 'suspended') as is_paused,
        lead.status = 'withdrawn' as is_withdrawn,
        case when lead.status not in ('withdrawn', 'not_accepted') then local_day(lead.finished_at) <= local_day(lead.due_at) end as is_on_time,
        -- where events and status do not agree, the clock stopped, or went on, with the last change
        coalesce([strftime(pause.since, '%Y-%m-%d') || '/' || coalesce(strftime(pause.until, '%Y-%m-%d'), '') for pause in case
            when is_paused and not coalesce(is_open, false) then list_append(pauses, {'since': local_day(lead.source_updated_at), 'until': null::date})
            when not is_paused and is_open then [{'since': each.since, 'until': coalesce(each.until, local_day(lead.source_updated_at))} for each in pauses]
            else pauses end], []) as paused_days,
        coalesce(paused_working_minutes, 0) as paused_working_minutes,
        due_effective_on(local_day(lead.due_at), local_day(lead.due_first_at), lead.extension_count, paused_working_minutes) as due_effective_on,
        lead.extension_count as extension_count, lead.supplement_count as supplement_count,
        lead.has_digital_result as has_digital_result, lead.digitised_component_count as digitised_component_count,
        lead.reused_component_count as reused_component_count, lead.fee_vnd as fee_vnd, lead.is_paid_online as is_paid_online,
        p.satisfaction as satisfaction, has_o as in_one_stop, has_p as in_online_services,
        dossier_id in (select dossier_id from reconciliation) as has_conflict,
        list_sort(list_distinct(list_concat(coalesce(o.quality_flags, []), coalesce(p.quality_flags, [])))) as quality_flags,
        greatest(o.source_updated_at, p.source_updated_at) as source_updated_at,
        case when p.source_updated_at > o.source_updated_at or not has_o then p.batch_id else o.batch_id end as batch_id
    from pair left join paused using (dossier_id) left join stood_still using (dossier_id);

create table dossier_source as
    select m.source, m.source_key, pair.dossier_id, m.source_code,
        case when m.source_code = pair.dossier_id then 'main' when m.match_rule = 'receipt' then 'receipt' else 'other' end as code_role,
        case when count(*) over (partition by label) = 1 then 'single' else m.match_rule end as match_rule,
        d.opened_on, m.source_updated_at, m.batch_id
    from member m join pair using (label) join dossier d on d.dossier_id = pair.dossier_id;
