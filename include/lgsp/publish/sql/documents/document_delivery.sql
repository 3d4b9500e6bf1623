-- Deliveries of documents to recipients.
create table document_delivery as
    with reported as (
        select document_id, organisation_id,
            min(occurred_at) filter (status = 'arrived') as arrived_at, min(occurred_at) filter (status = 'accepted') as accepted_at,
            min(occurred_at) filter (status = 'assigned') as assigned_at, min(occurred_at) filter (status = 'completed') as completed_at,
            min(occurred_at) filter (status = 'rejected') as rejected_at,
            arg_max(status, {'t': occurred_at, 'r': delivery_rank(status), 'h': content_hash}) as status,
            max(source_updated_at) as changed_at, arg_max(batch_id, {'t': source_updated_at, 'h': content_hash}) as batch_id
        from delivery_step group by 1, 2
    )
    select b.document_id, r.organisation_id as recipient_organisation_id, b.issuing_organisation_id as sender_organisation_id, b.issued_on,
        r.sent_at, t.arrived_at, t.accepted_at, t.assigned_at, t.completed_at, t.rejected_at, coalesce(t.status, 'sent') as status,
        case when o.document_id is null then []::varchar[] else ['DOC_STATUS_ORDER'] end as quality_flags,
        greatest(b.source_updated_at, r.changed_at, t.changed_at) as source_updated_at,
        case when t.changed_at > b.source_updated_at then t.batch_id else b.batch_id end as batch_id
    from document_content b join recipient r using (document_id)
    left join reported t on t.document_id = r.document_id and t.organisation_id = r.organisation_id
    left join delivery_disorder o on o.document_id = r.document_id and o.organisation_id = r.organisation_id
