-- The contents of rows whose days without them change: absent on the days that were read for the first time, a new content on all days;
-- not on those on which the merged batches listed it. Needs the temporary tables reading, seen and new_content.
select source, source_key, content_hash, days from (
    select c.source, c.source_key, c.content_hash, a.days as days_before,
        coalesce(a.days, '{}') + case when c.is_new then r.days else r.new_days end - coalesce(s.days, '{}') as days
    from (
        select source, source_key, content_hash, false as is_new from record.${kind}
        union all select source, source_key, content_hash, true from new_content
    ) c
    join reading r on r.source = c.source
    left join record.list_absence a on (a.kind, a.source, a.source_key, a.content_hash) = ('${kind}', c.source, c.source_key, c.content_hash)
    left join seen s on (s.source, s.source_key, s.content_hash) = (c.source, c.source_key, c.content_hash)
) changed
where days is distinct from coalesce(days_before, '{}')
