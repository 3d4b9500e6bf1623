-- The pauses of each dossier in local days.
create table dossier_pause as
select dossier_id, seq, local_day(since) as from_on, local_day(until) as to_on, source_updated_at, batch_id
from pause join dossier using (dossier_id)
