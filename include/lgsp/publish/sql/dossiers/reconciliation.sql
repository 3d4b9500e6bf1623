-- The attributes in which the two sides of a dossier differ. The value of the one-stop-shop is published, except for the channel `online`.
create table reconciliation as
    select dossier_id, attribute, one_stop_value, online_services_value,
        case when attribute = 'channel' and online_services_value = 'online' then online_services_value else one_stop_value end as published_value,
        case when attribute = 'channel' and online_services_value = 'online' then portal else one_stop end as published_from,
        batch_id
    from (
        select dossier_id, o.source as one_stop, p.source as portal, greatest(o.batch_id, p.batch_id) as batch_id,
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
    where one_stop_value <> online_services_value
