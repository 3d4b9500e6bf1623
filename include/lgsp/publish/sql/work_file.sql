-- The work files that are not deleted.
select ${columns}, source_updated_at, batch_id
from record.work_file where not coalesce(is_deleted, false)
