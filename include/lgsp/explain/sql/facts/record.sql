-- What is known of a record in quarantine: never what it says.
select unit_id, source, source_key, occurred_on, reason from held_unit
