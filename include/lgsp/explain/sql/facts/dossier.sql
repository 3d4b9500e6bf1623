-- The published columns of each dossier of the number.
select dossier_id as unit_id, service_code, status, channel, online_level, online_mode, received_on, due_on, due_first_at, finished_on,
    closed_at, is_paused, paused_days, fee_vnd, is_paid_online, satisfaction, source_updated_at
from shared.dossier join unit on unit_id = dossier_id
