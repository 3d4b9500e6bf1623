-- New documents with the same key whose messages differ in content; a redelivery has the same content.
select document_id from document_message
where document_id in (select document_id from document_message where business_type = '0' group by 1 having count(*) > 1) and business_type = '0'
group by 1 having count(distinct document_type_key) > 1 or count(distinct text_key(subject)) > 1 or count(distinct page_count) > 1
