-- The identity and the reason of each record in quarantine, without its content.
select unit_id, source, source_key, occurred_on, reason from quarantined_unit
