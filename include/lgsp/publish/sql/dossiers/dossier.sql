-- Linked dossiers, as a pure function of the newest existing records of their link groups.
create table dossier as
    select
        dossier_id, ${columns},
        case when p.channel = 'online' then 'online' else lead.channel end as channel,
        coalesce(p.submitted_via, o.submitted_via) as submitted_via, closed_at,
        coalesce(offered.online_level, lead.online_level) as online_level, ['information', 'partial', 'full'][coalesce(offered.online_level, lead.online_level) - 1] as online_mode,
        coalesce(local_day(lead.received_at), local_day(lead.submitted_at), local_day(lead.source_updated_at)) as opened_on,
        local_day(lead.received_at) as received_on, local_day(lead.due_at) as due_on, local_day(lead.finished_at) as finished_on,
        is_pause(lead.status) as is_paused,
        lead.status = 'withdrawn' as is_withdrawn,
        case when lead.status not in ('withdrawn', 'not_accepted') then local_day(lead.finished_at) <= local_day(lead.due_at) end as is_on_time,
        coalesce(paused_days, []) as paused_days, coalesce(paused_working_minutes, 0) as paused_working_minutes,
        due_effective_on(local_day(lead.due_at), local_day(lead.due_first_at), lead.extension_count, paused_working_minutes) as due_effective_on,
        has_o as in_one_stop, has_p as in_online_services,
        dossier_id in (select dossier_id from reconciliation) as has_conflict,
        list_sort(list_distinct(list_concat(coalesce(o.quality_flags, []), coalesce(p.quality_flags, [])))) as quality_flags,
        greatest(o.source_updated_at, p.source_updated_at) as source_updated_at,
        case when p.source_updated_at > o.source_updated_at or not has_o then p.batch_id else o.batch_id end as batch_id
    from pair left join (
        -- the working time of a pause counts when it has ended
        select dossier_id, (sum(worked_us(until) - worked_us(since)) // 60000000)::bigint as paused_working_minutes,
            list(strftime(local_day(since), '%Y-%m-%d') || '/' || coalesce(strftime(local_day(until), '%Y-%m-%d'), '') order by since)
                filter (where local_day(until) is distinct from local_day(since)) as paused_days
        from pause group by dossier_id
    ) paused using (dossier_id) left join offered_level offered using (dossier_id)
