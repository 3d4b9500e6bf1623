-- The pauses of each dossier by day.
create table pause_days as from pauses_of('dossier_event')
