-- The withdrawn batches no longer have spellings to review.
delete from ledger.organisation_review_batch b using withdrawn_batch w where w.batch_id = b.batch_id
