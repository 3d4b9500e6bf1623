-- The statuses that are steps of a delivery, with the number of the step.
create table delivery_step as
    select *, list_position(['arrived', 'rejected', 'accepted', 'assigned', 'processing', 'completed'], status) as number
    from delivery_status where delivery_rank(status) is not null
