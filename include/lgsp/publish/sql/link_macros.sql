-- The macros of the linking SQL.
create macro local_day(t) as (t at time zone 'Asia/Ho_Chi_Minh')::date;
create macro iso(t) as strftime(t, '%Y-%m-%dT%H:%M:%SZ');
create macro step_rank(s) as list_position(['submitted', 'accepted', 'not_accepted', 'processing', 'supplement_requested',
    'payment_requested', 'suspended', 'finished', 'returned', 'withdrawn'], s);
create macro delivery_rank(s) as list_position(['arrived', 'accepted', 'assigned', 'processing', 'completed', 'rejected',
    'recall_requested', 'recall_refused', 'recall_accepted'], s);
create macro make_timestamptz(us) as make_timestamp(us) at time zone 'UTC';
-- How reliable the day is on which a dossier was withdrawn or refused, 1 for the most reliable basis.
create macro closing_rank(basis) as coalesce(list_position(['withdrawal', 'refusal', 'step', 'change'], basis), 3);
