-- The time when each document was revoked. A revocation of a message that has not arrived yet has no document until it arrives.
create table revocation as
    select case when refers_to_told is null then document_id else refers_to_document_id end as document_id, min(version.s) as revoked_at
    from resolved_message where business_type = '1' group by 1
