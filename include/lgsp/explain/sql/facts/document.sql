-- What a document that a number is asked about says, and the day it counts on.
select unit_id, document_id, number, notation, issued_on, is_signed, has_paper_copy, counted_on
from (select organisation_id as unit_id, min(day_on) as counted_on from told group by 1) t join unit using (unit_id)
join shared.document on document_id = split_part(unit_id, chr(31), 2)
