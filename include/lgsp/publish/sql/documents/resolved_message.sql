-- The messages, with the document that their reference means. Reads `message` and `message_document` (the document of each message id).
create table resolved_message as
    select m.* replace (coalesce(m.refers_to_document_id, b.document_id) as refers_to_document_id),
        -- a redelivery is listed again: the time of sending decides, then the time of the listing
        {'s': coalesce(sent_at, source_updated_at), 't': source_updated_at, 'h': content_hash} as version
    from message m left join message_document b on b.told_id = m.refers_to_told and m.refers_to_document_id is null
