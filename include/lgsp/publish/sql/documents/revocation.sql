-- The time when each document was revoked; a later sending of the document ends the revocation. A revocation of a message that has not
-- arrived yet has no document until it arrives.
create table revocation as
select document_id, min(revoked_at) as revoked_at
from (
    select case when refers_to_told is null then document_id else refers_to_document_id end as document_id, version.s as revoked_at
    from resolved_message where business_type = '1'
) revoked
left join (select document_id, max(version.s) as sent_at from resolved_message where is_content group by 1) sending using (document_id)
where sent_at is null or sent_at <= revoked_at
group by 1
