-- Delivery status records, from the messages of the batch.
select m.* exclude (status_key), delivery_status(status_key) as status, listed.changed as source_updated_at
from status_message m join listed on listed.docId = m.source_key
