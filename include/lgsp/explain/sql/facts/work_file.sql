-- The published columns of each work file of the number.
select unit_id, work_file_id, opened_on, closed_on, is_electronic, document_count
from unit join shared.work_file on work_file_id = split_part(unit_id, chr(31), 2)
where kind = 'work_file'
