-- The pauses of each dossier as instants: the supplements that the portal reports, and the steps of the leading record that pause.
-- One without a reported beginning has lasted since the receipt. Pauses that overlap are one; `until` is null while it lasts.
create table pause as
with step as (
    select dossier_id, status, is_inferred, occurred_at as since,
        lead(occurred_at) over (partition by dossier_id order by event_seq) as until
    from dossier_event
),
supplement as (
    select dossier_id, lead, coalesce(make_timestamptz(each.f), lead.received_at) as since, make_timestamptz(each.u) as until
    from (select dossier_id, lead, unnest(from_json(p.supplements, '[{"f": "BIGINT", "u": "BIGINT"}]')) as each from pair)
),
reported as (
    select dossier_id, since, until from step where is_pause(status) and not is_inferred
    union all
    -- a supplement that never arrived ended with the next step at work
    select s.dossier_id, s.since, coalesce(s.until, min(e.since), case when not is_pause(s.lead.status) then greatest(s.since, s.lead.source_updated_at) end)
    from supplement s left join step e on s.until is null and e.dossier_id = s.dossier_id and e.since >= s.since and not is_pause(e.status)
    where s.since is not null
    group by s.dossier_id, s.lead, s.since, s.until
),
every_pause as (
    select * from reported where until is null or until > since
    union all
    select dossier_id, coalesce(lead.received_at, lead.submitted_at, lead.source_updated_at), null from pair
    where is_pause(lead.status) and dossier_id not in (select dossier_id from reported where until is null)
),
after_end as (
    select *, since <= max(coalesce(until, 'infinity')) over (
        partition by dossier_id order by since, until rows between unbounded preceding and 1 preceding) as is_continued
    from every_pause
),
numbered as (
    select *, count(*) filter (where is_continued is not true) over (partition by dossier_id order by since, until rows unbounded preceding) as seq
    from after_end
)
select dossier_id, seq::integer as seq, min(since) as since, nullif(max(coalesce(until, 'infinity')), 'infinity') as until
from numbered group by dossier_id, seq
