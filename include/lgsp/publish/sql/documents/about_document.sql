-- The messages by document: an update belongs to the document that it refers to, whatever number it has itself.
create table about_document as
    select * replace (case when business_type = '2' then coalesce(refers_to_document_id, document_id) else document_id end as document_id),
        document_id as own_document_id
    from resolved_message
    where business_type <> '1' and document_id is not null
        -- an update of a message that has not arrived yet is left out until it arrives
        and not (business_type = '2' and refers_to_document_id is null and refers_to_told is not null and refers_to_told is distinct from told_id)
