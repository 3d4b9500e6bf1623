-- Documents and their deliveries, from `message` (documents as sent, edited, revoked) and `state` (delivery statuses);
-- `bearer` says which document each id means that a message of theirs refers to, whoever bore it and whenever it came.

create table meant as
    select m.* replace (coalesce(m.refers_to_document_id, b.document_id) as refers_to_document_id),
        -- a redelivery has another time of listing: the time a message was sent decides, then the listing
        {'s': coalesce(sent_at, source_updated_at), 't': source_updated_at, 'h': content_hash} as said
    from message m left join bearer b on b.told_id = m.refers_to_told and m.refers_to_document_id is null;

-- what speaks of a document: an update speaks of the one it refers to, whatever number it has of its own
create table spoken as
    select * replace (case when business_type = '2' then coalesce(refers_to_document_id, document_id) else document_id end as document_id),
        document_id as own_document_id
    from meant
    where business_type <> '1' and document_id is not null
        -- an update of a message that has not come yet waits for it
        and not (business_type = '2' and refers_to_document_id is null and refers_to_told is not null and refers_to_told is distinct from told_id);

create table base as
    select * exclude (number, notation, issued_on, issuing_organisation_id),
        case when own_document_id = document_id then issuing_organisation_id else split_part(document_id, ',', 1) end as issuing_organisation_id,
        case when own_document_id = document_id then issued_on else try_strptime(split_part(document_id, ',', 2), '%Y/%m/%d')::date end as issued_on,
        case when own_document_id = document_id then number else regexp_extract(document_id, '^[^,]*,[^,]*,([^/]*)', 1) end as number,
        case when own_document_id = document_id then notation else nullif(regexp_extract(document_id, '^[^,]*,[^,]*,[^/]*/(.*)$', 1), '') end as notation
    from spoken
    -- an update of the recipients alone says nothing new of the document
    qualify row_number() over (partition by document_id order by coalesce(is_content, true) desc, said desc) = 1;

create table flagged as
    select document_id, list_sort(list_distinct(flatten(list(coalesce(quality_flags, []))))) as quality_flags from spoken group by 1;

-- a revocation of a message that has not come yet waits for it, too: it is not its own
create table revoked as
    select case when refers_to_told is null then document_id else refers_to_document_id end as document_id, min(said.s) as revoked_at
    from meant where business_type = '1' group by 1;

-- what a replacement replaces beyond the first is told by its key or by the mark of an id
create table replaced as
    with told as (
        select refers_to_document_id as document_id, document_id as by_document_id, said from meant where business_type = '3'
        union all
        select coalesce(b.document_id, m.also), m.document_id, said
        from (select unnest(also_replaces) as also, document_id, said from meant where business_type = '3') m left join bearer b on b.told_id = m.also
    )
    select document_id, arg_max(by_document_id, said) as replaced_by_document_id from told where document_id <> by_document_id group by 1;

create table document as
    select document_id, issuing_organisation_id, number, notation, issued_on, document_type, subject, priority, due_on, steering_kind,
        is_signed, has_paper_copy, page_count, attachment_count, responds_to_document_id, responds_to_document_ids, replaced_by_document_id,
        revoked_at, flagged.quality_flags, source_updated_at, batch_id
    from base join flagged using (document_id) left join replaced using (document_id) left join revoked using (document_id);

-- whom a document was sent to, and whom an update added or took away: the last word on each recipient counts
create table recipient as
    with word as (
        select document_id, unnest(list_distinct(list_concat(recipients, coalesce(recipients_added, [])))) as organisation_id, true as is_sent,
            said, sent_at from spoken
        union all select document_id, unnest(recipients_removed), false, said, null from spoken
    )
    select document_id, organisation_id, min(sent_at) as sent_at, max(said.t) as changed_at from word
    group by 1, 2 having arg_max(is_sent, {'s': said.s, 'is_taken_away': not is_sent, 't': said.t, 'h': said.h});

-- what does not move a delivery has no rank
create table step as
    select *, list_position(['arrived', 'rejected', 'accepted', 'assigned', 'processing', 'completed'], status) as number
    from state where delivery_rank(status) is not null;

-- 01, then 02 or 03, then 04, 05, 06: steps may be left out, and a recall may come at any time; going back is odd
create table disorder as
    select distinct document_id, organisation_id from (
        select document_id, organisation_id, number, max(number) over earlier as highest, bool_or(number = 2) over earlier as is_refused
        from step where number is not null
        window earlier as (partition by document_id, organisation_id order by occurred_at
            range between unbounded preceding and current row exclude group)
    ) where highest > number or (is_refused and number > 2);

create table document_delivery as
    with told as (
        select document_id, organisation_id,
            min(occurred_at) filter (status = 'arrived') as arrived_at, min(occurred_at) filter (status = 'accepted') as accepted_at,
            min(occurred_at) filter (status = 'assigned') as assigned_at, min(occurred_at) filter (status = 'completed') as completed_at,
            min(occurred_at) filter (status = 'rejected') as rejected_at,
            arg_max(status, {'t': occurred_at, 'r': delivery_rank(status), 'h': content_hash}) as status,
            max(source_updated_at) as changed_at, arg_max(batch_id, {'t': source_updated_at, 'h': content_hash}) as batch_id
        from step group by 1, 2
    )
    select b.document_id, r.organisation_id as recipient_organisation_id, b.issuing_organisation_id as sender_organisation_id, b.issued_on,
        r.sent_at, t.arrived_at, t.accepted_at, t.assigned_at, t.completed_at, t.rejected_at, coalesce(t.status, 'sent') as status,
        case when o.document_id is null then []::varchar[] else ['DOC_STATUS_ORDER'] end as quality_flags,
        greatest(b.source_updated_at, r.changed_at, t.changed_at) as source_updated_at,
        case when t.changed_at > b.source_updated_at then t.batch_id else b.batch_id end as batch_id
    from base b join recipient r using (document_id)
    left join told t on t.document_id = r.document_id and t.organisation_id = r.organisation_id
    left join disorder o on o.document_id = r.document_id and o.organisation_id = r.organisation_id;
