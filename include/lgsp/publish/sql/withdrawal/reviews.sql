-- A spelling that no other batch has, and nobody decided about, leaves the review.
delete from ledger.organisation_review r using withdrawn_batch w
where w.batch_id = r.batch_id and r.state = 'open' and not exists (select from ledger.organisation_review_batch b where b.review_id = r.review_id)
    and not exists (select from ledger.organisation_decision d where d.review_id = r.review_id)
