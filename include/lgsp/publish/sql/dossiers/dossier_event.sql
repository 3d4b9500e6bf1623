-- The steps of each dossier, from its leading record. It is accepted when it is received; a later acceptance means that work goes on.
-- Where the last step does not bring the present status, an inferred one does, at the time of change.
create table dossier_event as
with reported as (
    select dossier_id, lead, closed_at,
        list_sort(list_transform(from_json(lead.events, '[{"t": "BIGINT", "s": "VARCHAR", "o": "VARCHAR", "i": "BOOLEAN"}]'),
            lambda e: {'t': e.t, 'rank': step_rank(e.s), 's': e.s, 'o': e.o, 'i': e.i})) as steps
    from pair
),
received as (
    select dossier_id, lead, closed_at, steps, list_filter(steps, lambda e: e.s = 'accepted' and not e.i) as acceptances from reported
),
ordered as (
    select dossier_id, lead, closed_at, list_sort(list_concat(
        list_filter(steps, lambda e: e.s <> 'accepted'),
        list_transform(acceptances[2:], lambda e: {'t': e.t, 'rank': step_rank('processing'), 's': 'processing', 'o': e.o, 'i': false}),
        case when lead.received_at is null then [] else [{
            't': epoch_us(lead.received_at), 'rank': step_rank('accepted'), 's': 'accepted',
            'o': coalesce(acceptances[1].o, nullif(lead.receiving_organisation_id, 'UNKNOWN')), 'i': len(acceptances) = 0}] end
    )) as steps
    from received
),
complete as (
    select dossier_id, lead, case
        when coalesce(steps[-1].s = lead.status, false) or lead.status = 'accepted' then steps
        else list_append(steps, {
            't': greatest(steps[-1].t, epoch_us(coalesce(closed_at, lead.source_updated_at))), 'rank': step_rank(lead.status), 's': lead.status,
            'o': nullif(lead.receiving_organisation_id, 'UNKNOWN'), 'i': true}) end as steps
    from ordered
)
select dossier_id, event_seq, step.s as status, make_timestamptz(step.t) as occurred_at, step.o as organisation_id, lead.source as source,
    step.i as is_inferred, lead.source_updated_at as source_updated_at, lead.batch_id as batch_id
from (select dossier_id, lead, generate_subscripts(steps, 1) as event_seq, unnest(steps) as step from complete)
