-- The recipients of each document. An update may add or remove recipients; the last message about each recipient counts.
create table recipient as
    with change as (
        select document_id, unnest(list_distinct(list_concat(recipients, coalesce(recipients_added, [])))) as organisation_id, true as is_sent,
            version, sent_at from about_document
        union all select document_id, unnest(recipients_removed), false, version, null from about_document
    )
    select document_id, organisation_id, min(sent_at) as sent_at, max(version.t) as changed_at from change
    group by 1, 2 having arg_max(is_sent, {'s': version.s, 'is_removed': not is_sent, 't': version.t, 'h': version.h})
