-- The newest record of each source in each link group.
create table latest as
select * from member
qualify row_number() over (partition by label, source order by source_updated_at desc, content_hash desc) = 1
