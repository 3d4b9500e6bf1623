-- What a withdrawn version corrected, or what passed in a withdrawn batch, is open again; the merge closes what another version corrects.
update ledger.quarantine q set state = 'open', state_by = 'publish', state_reason = 'the batch with the valid version was taken back',
    state_at = now(), redriven_in = null
where q.state = 'corrected' and exists (select from withdrawn_key k where (k.source, k.kind, k.source_key) = (q.source, q.kind, q.source_key))
    or q.state = 'redriven' and q.redriven_in in (select batch_id from withdrawn_batch)
