-- The newest content of each document.
create table document_content as
    select * exclude (number, notation, issued_on, issuing_organisation_id),
        case when own_document_id = document_id then issuing_organisation_id else split_part(document_id, ',', 1) end as issuing_organisation_id,
        case when own_document_id = document_id then issued_on else try_strptime(split_part(document_id, ',', 2), '%Y/%m/%d')::date end as issued_on,
        case when own_document_id = document_id then number else regexp_extract(document_id, '^[^,]*,[^,]*,([^/]*)', 1) end as number,
        case when own_document_id = document_id then notation else nullif(regexp_extract(document_id, '^[^,]*,[^,]*,[^/]*/(.*)$', 1), '') end as notation
    from about_document
    -- an update of the recipients only has no new content
    qualify row_number() over (partition by document_id order by coalesce(is_content, true) desc, version desc) = 1
