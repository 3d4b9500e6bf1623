create or replace view ledger.organisation_worklist as
    select r.review_id, r.source, r.alias_key, r.alias, r.first_seen_on, coalesce(b.record_count, 0) as record_count, r.candidates, r.state,
        r.organisation_id, r.decided_by, r.decided_at, r.why, r.batch_id
    from ledger.organisation_review r
    left join (select review_id, sum(record_count)::bigint as record_count from ledger.organisation_review_batch group by 1) b using (review_id);
