-- Deliveries with steps out of order. The order is 01, then 02 or 03, then 04, 05, 06; steps may be missing, and a recall may come at any time.
create table delivery_disorder as
    select distinct document_id, organisation_id from (
        select document_id, organisation_id, number, max(number) over earlier as highest, bool_or(number = 2) over earlier as is_refused
        from delivery_step where number is not null
        window earlier as (partition by document_id, organisation_id order by occurred_at
            range between unbounded preceding and current row exclude group)
    ) where highest > number or (is_refused and number > 2)
