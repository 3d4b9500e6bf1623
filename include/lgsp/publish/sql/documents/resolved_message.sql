-- Each message with the document that its reference means. Reads `message` and `bearer` (which document each id means).
create table resolved_message as
    select m.* replace (coalesce(m.refers_to_document_id, b.document_id) as refers_to_document_id),
        -- a redelivery has another time of listing: the time a message was sent decides, then the listing
        {'s': coalesce(sent_at, source_updated_at), 't': source_updated_at, 'h': content_hash} as version
    from message m left join bearer b on b.told_id = m.refers_to_told and m.refers_to_document_id is null
