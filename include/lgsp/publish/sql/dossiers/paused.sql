-- How long the clock of each dossier stood still; a pause that goes on is counted when it has ended.
create table paused as from paused_dossiers('dossier_event', null::timestamptz)
