create index if not exists dossier_source_dossier on shared.dossier_source (dossier_id);
create index if not exists dossier_received on shared.dossier (received_on);
create index if not exists dossier_finished on shared.dossier (finished_on);
