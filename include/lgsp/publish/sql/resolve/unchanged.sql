-- The records that mean what they meant before are left as they are.
delete from incoming_dossier i using before_dossier b
where (b.source, b.source_key) = (i.source, i.source_key)
    and (b.service_code, b.receiving_organisation_id, b.competent_organisation_id, b.admin_unit_code, b.admin_unit_code_now, b.quality_flags, b.closed_at)
        is not distinct from (i.service_code, i.receiving_organisation_id, i.competent_organisation_id, i.admin_unit_code, i.admin_unit_code_now, i.quality_flags, i.closed_at)
