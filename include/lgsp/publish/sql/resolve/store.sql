-- Stores what the records mean now.
update record.dossier d set service_code = i.service_code, receiving_organisation_id = i.receiving_organisation_id,
    competent_organisation_id = i.competent_organisation_id, admin_unit_code = i.admin_unit_code, admin_unit_code_now = i.admin_unit_code_now,
    quality_flags = i.quality_flags, closed_at = i.closed_at
from incoming_dossier i where (d.source, d.source_key) = (i.source, i.source_key)
