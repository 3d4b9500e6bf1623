-- Document records, from the messages of the batch.
select m.* exclude (paper_source, document_type_key, priority_key, steering_key), listed.changed as source_updated_at,
    document_type(document_type_key) as document_type,
    case when priority_key is null then 'normal' else document_priority(priority_key) end as priority,
    case when steering_key is null then 'none' else steering_kind(steering_key) end as steering_kind,
    to_boolean(paper_source) as has_paper_copy,
    responds_to_document_ids[1] as responds_to_document_id,
    issuer.organisation_id is not null as is_issuer_known,
    list_max(list_transform(m.responds_to_document_ids, lambda id: try_strptime(split_part(id, ',', 2), '%Y/%m/%d')))::date as answered_on,
    m.business_type = '0' and reported.document_id is not null as is_reported_twice
from document_message m
join listed on listed.docId = m.source_key
left join organisation issuer on issuer.organisation_id = m.issuing_organisation_id
left join reported_twice reported on reported.document_id = m.document_id
