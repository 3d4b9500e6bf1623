-- The paused working time of each dossier; a pause counts when it has ended.
create table paused as from paused_dossiers('dossier_event', null::timestamptz)
