-- The document that replaces each document. Further replaced documents are given by their key or by the id of a message.
create table replacement as
    with replaced as (
        select refers_to_document_id as document_id, document_id as by_document_id, version from resolved_message where business_type = '3'
        union all
        select coalesce(b.document_id, m.also), m.document_id, version
        from (select unnest(also_replaces) as also, document_id, version from resolved_message where business_type = '3') m left join message_document b on b.told_id = m.also
    )
    select document_id, arg_max(by_document_id, version) as replaced_by_document_id from replaced where document_id <> by_document_id group by 1
