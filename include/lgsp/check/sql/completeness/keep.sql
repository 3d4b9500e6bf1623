-- Writes the derived states to the ledger, changing only rows that differ, and stores the feeds and agencies they were derived from.
delete from ledger.completeness c using scope s
where c.source = s.source and c.organisation_id = s.organisation_id and c.day_on >= s.since_on
    and not exists (select 1 from new_completeness n where (n.source, n.organisation_id, n.day_on) = (c.source, c.organisation_id, c.day_on));

insert into ledger.completeness as c (source, organisation_id, day_on, record_count, state, reason, expected)
select source, organisation_id, day_on, record_count, state, reason, expected from new_completeness
on conflict (source, organisation_id, day_on) do update set
    record_count = excluded.record_count, state = excluded.state, reason = excluded.reason, expected = excluded.expected
    where (c.record_count, c.state, c.reason, c.expected) is distinct from (excluded.record_count, excluded.state, excluded.reason, excluded.expected);

delete from ledger.derived_feed d where not exists (select 1 from feed f where (f.source, f.covered, f.newest_on) = (d.source, d.covered, d.newest_on));

insert into ledger.derived_feed select source, covered, newest_on from feed on conflict do nothing;

delete from ledger.derived_agency d
where not exists (select 1 from agency a where (a.source, a.organisation_id, a.in_force, a.confirmed) = (d.source, d.organisation_id, d.in_force, d.confirmed));

insert into ledger.derived_agency select source, organisation_id, in_force, confirmed from agency on conflict do nothing;
