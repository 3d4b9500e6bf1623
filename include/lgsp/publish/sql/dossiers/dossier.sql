-- Linked dossiers, as a pure function of the newest existing records of their link groups.
create table dossier as
    select
        dossier_id, ${columns},
        case when p.channel = 'online' then 'online' else lead.channel end as channel,
        coalesce(p.submitted_via, o.submitted_via) as submitted_via,
        ['information', 'partial', 'full'][lead.online_level - 1] as online_mode,
        coalesce(local_day(lead.received_at), local_day(lead.submitted_at), local_day(lead.source_updated_at)) as opened_on,
        local_day(lead.received_at) as received_on, local_day(lead.due_at) as due_on, local_day(lead.finished_at) as finished_on,
        lead.status in ('supplement_requested', 'payment_requested', 'suspended') as is_paused,
        lead.status = 'withdrawn' as is_withdrawn,
        case when lead.status not in ('withdrawn', 'not_accepted') then local_day(lead.finished_at) <= local_day(lead.due_at) end as is_on_time,
        -- when events and status contradict each other, the pause began or ended with the last change
        coalesce([strftime(pause.since, '%Y-%m-%d') || '/' || coalesce(strftime(pause.until, '%Y-%m-%d'), '') for pause in case
            when is_paused and not coalesce(is_open, false) then list_append(pauses, {'since': local_day(lead.source_updated_at), 'until': null::date})
            when not is_paused and is_open then [{'since': each.since, 'until': coalesce(each.until, local_day(lead.source_updated_at))} for each in pauses]
            else pauses end], []) as paused_days,
        coalesce(paused_working_minutes, 0) as paused_working_minutes,
        due_effective_on(local_day(lead.due_at), local_day(lead.due_first_at), lead.extension_count, paused_working_minutes) as due_effective_on,
        has_o as in_one_stop, has_p as in_online_services,
        dossier_id in (select dossier_id from reconciliation) as has_conflict,
        list_sort(list_distinct(list_concat(coalesce(o.quality_flags, []), coalesce(p.quality_flags, [])))) as quality_flags,
        greatest(o.source_updated_at, p.source_updated_at) as source_updated_at,
        case when p.source_updated_at > o.source_updated_at or not has_o then p.batch_id else o.batch_id end as batch_id
    from pair left join paused using (dossier_id) left join pause_days using (dossier_id)
