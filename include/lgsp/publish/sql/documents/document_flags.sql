-- The quality flags of all messages about a document.
create table document_flags as
    select document_id, list_sort(list_distinct(flatten(list(coalesce(quality_flags, []))))) as quality_flags from about_document group by 1
