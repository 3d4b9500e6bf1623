-- The published columns of each document of the number, and the day on which it is counted.
select unit_id, document_id, number, notation, issued_on, is_signed, has_paper_copy, counted_on
from (select organisation_id as unit_id, min(day_on) as counted_on from unit_flow group by 1) t join unit using (unit_id)
join shared.document on document_id = split_part(unit_id, chr(31), 2)
