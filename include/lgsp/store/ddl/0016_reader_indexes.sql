-- Indexes for what agencies ask: their dossiers, a procedure, what is due, what changed, and documents by issuer and recipient.
create index if not exists dossier_receiving on shared.dossier (receiving_organisation_id, received_on);
create index if not exists dossier_service on shared.dossier (service_code, received_on);
create index if not exists dossier_due on shared.dossier (status, due_on);
create index if not exists dossier_updated on shared.dossier (source_updated_at);
create index if not exists document_issuer on shared.document (issuing_organisation_id, issued_on);
create index if not exists document_delivery_recipient on shared.document_delivery (recipient_organisation_id, sent_at);
