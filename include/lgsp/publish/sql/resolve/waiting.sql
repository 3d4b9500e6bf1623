-- The records whose meaning may change with the lists: those that name something unknown, a name without a code, another agency than
-- the one that counts, or an agency whose versions changed.
select source, source_key from record.dossier d
where receiving_organisation_id = 'UNKNOWN' or service_code = 'UNKNOWN' or agency_code is distinct from receiving_organisation_id
    or competent_code is distinct from competent_organisation_id
    or substring(ledger.code_key(source_code) from '^(.*)-\d{6}-\d+$') is distinct from receiving_organisation_id
    or exists (select from changed_agency c where c.organisation_id = d.receiving_organisation_id)
