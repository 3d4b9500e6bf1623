-- The days on which each content of a row was listed, in the batches that are merged. Needs the temporary tables incoming_${kind} and read_day.
select i.source, i.source_key, i.content_hash, range_agg(r.days) as days
from incoming_${kind} i join read_day r using (batch_id) group by i.source, i.source_key, i.content_hash
