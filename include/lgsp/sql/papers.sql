-- Documents and their deliveries, from `message` (documents as sent, edited, revoked) and `state` (delivery statuses).

-- who refers to an earlier document by a UUID means the message that bore it
create table meant as
    select m.* replace (coalesce(m.refers_to_document_id, e.document_id) as refers_to_document_id)
    from message m
    left join (select told_id, min(document_id) as document_id from message where document_id is not null group by 1) e
        on e.told_id = m.refers_to_told and m.refers_to_document_id is null;

-- a redelivery has another time of listing: the time a message was sent decides, then the listing
create table base as
    select * from meant where business_type <> '1' and document_id is not null
    qualify row_number() over (partition by document_id order by coalesce(sent_at, source_updated_at) desc, source_updated_at desc, content_hash desc) = 1;

create table revoked as
    select coalesce(refers_to_document_id, document_id) as document_id, min(coalesce(sent_at, source_updated_at)) as revoked_at
    from meant where business_type = '1' group by 1;

create table replaced as
    select refers_to_document_id as document_id, arg_max(document_id, {'s': coalesce(sent_at, source_updated_at), 't': source_updated_at, 'h': content_hash}) as replaced_by_document_id
    from meant where business_type = '3' and refers_to_document_id <> document_id group by 1;

create table document as
    select document_id, issuing_organisation_id, number, notation, issued_on, document_type, subject, priority, due_on, steering_kind,
        is_signed, has_paper_copy, page_count, attachment_count, responds_to_document_id, replaced_by_document_id, revoked_at,
        source_updated_at, batch_id
    from base left join replaced using (document_id) left join revoked using (document_id);

create table document_delivery as
    with delivery as (
        select document_id, unnest(recipients) as recipient_organisation_id, issuing_organisation_id as sender_organisation_id, issued_on,
            sent_at, source_updated_at, batch_id from base
    ), told as (
        select document_id, organisation_id,
            min(occurred_at) filter (status = 'arrived') as arrived_at, min(occurred_at) filter (status = 'accepted') as accepted_at,
            min(occurred_at) filter (status = 'assigned') as assigned_at, min(occurred_at) filter (status = 'completed') as completed_at,
            min(occurred_at) filter (status = 'rejected') as rejected_at,
            arg_max(status, {'t': occurred_at, 'r': delivery_rank(status), 'h': content_hash}) as status,
            max(source_updated_at) as changed_at, arg_max(batch_id, {'t': source_updated_at, 'h': content_hash}) as batch_id
        from state group by 1, 2
    )
    select d.document_id, d.recipient_organisation_id, d.sender_organisation_id, d.issued_on, d.sent_at,
        t.arrived_at, t.accepted_at, t.assigned_at, t.completed_at, t.rejected_at, coalesce(t.status, 'sent') as status,
        greatest(d.source_updated_at, t.changed_at) as source_updated_at,
        case when t.changed_at > d.source_updated_at then t.batch_id else d.batch_id end as batch_id
    from delivery d left join told t on t.document_id = d.document_id and t.organisation_id = d.recipient_organisation_id;
