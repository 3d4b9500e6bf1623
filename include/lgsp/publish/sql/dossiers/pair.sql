-- The two sides of each dossier: `o` from the one-stop-shop, `p` from the portal. `lead` is the record that leads it.
create table pair as
select label, o, p, lead, dossier_id, o is not null as has_o, p is not null as has_p,
    -- the most reliable of both sides: the day of the withdrawal, of the refusal, of the step, of the change that showed it
    case when lead.status in ('withdrawn', 'not_accepted') then list_sort(list_filter([
        {'rank': closing_rank(o.closed_at_basis), 'side': 1, 'at': o.closed_at}, {'rank': closing_rank(p.closed_at_basis), 'side': 2, 'at': p.closed_at}
    ], lambda c: c.at is not null))[1].at end as closed_at
from (select label, lead_record as lead from lead_record) l
left join (select label, role_record as o from role_record where role = 'one_stop') a using (label)
left join (select label, role_record as p from role_record where role = 'portal') b using (label)
join group_id using (label)
