-- The statuses that move a delivery, in order.
create table delivery_step as
    select *, list_position(['arrived', 'rejected', 'accepted', 'assigned', 'processing', 'completed'], status) as number
    from state where delivery_rank(status) is not null
