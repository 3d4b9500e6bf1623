-- The hubs: codes of more than so many records that share no second code and no receipt. A hub is no identity and links nothing.
create table hub as
select code from hub_part group by code having count(distinct label) > (select hub_records from linking)
