-- The days on which the clock of each dossier stood still.
create table pause_days as from pauses_of('dossier_event')
