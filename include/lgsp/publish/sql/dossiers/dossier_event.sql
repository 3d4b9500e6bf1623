-- The processing steps of each dossier, from its leading record.
create table dossier_event as
    select dossier_id, row_number() over (partition by dossier_id order by t, step_rank(s), s, coalesce(o, '')) as event_seq,
        s as status, make_timestamptz(t) as occurred_at, o as organisation_id, source, i as is_inferred, source_updated_at, batch_id
    from (
        select dossier_id, lead.source as source, lead.source_updated_at as source_updated_at, lead.batch_id as batch_id,
            unnest(from_json(lead.events, '[{"t": "BIGINT", "s": "VARCHAR", "o": "VARCHAR", "i": "BOOLEAN"}]'), recursive := true)
        from pair
    )
