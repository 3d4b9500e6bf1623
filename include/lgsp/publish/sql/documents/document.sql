-- Documents, from the messages about them.
create table document as
    select document_id, ${columns}, replaced_by_document_id, revoked_at, document_flags.quality_flags, source_updated_at, batch_id
    from document_content join document_flags using (document_id) left join replacement using (document_id) left join revocation using (document_id)
